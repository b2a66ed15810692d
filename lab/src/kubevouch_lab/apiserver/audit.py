"""The audit log: a JSON line for each answered request, two for a watch (audit.k8s.io/v1 Event at level Metadata).

As a kube-apiserver writes it under a policy of one rule, `level: Metadata`, that omits RequestReceived.
"""

import contextlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec
from aiohttp import web

from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.objects import Object

# What is older than so many bytes goes into a second file beside it, and then is gone.
LARGEST = 64 * 1024 * 1024


class AuditLog:
    """Appends to one file, a whole line at a time. identify: gives each request an auditID. now: the server's clock."""

    def __init__(
        self,
        file: Path,
        identify: Callable[[], str],
        now: Callable[[], datetime],
        *,
        largest: int = LARGEST,
    ) -> None:
        self._file = file
        self._out: BinaryIO = file.open("ab", buffering=0)
        self._identify = identify
        self._now = now
        self._largest = largest

    def close(self) -> None:
        """Gives the file back."""
        self._out.close()

    def answered(
        self,
        info: RequestInfo,
        request: web.Request,
        received: datetime,
        code: int,
        stage: str = "ResponseComplete",
    ) -> None:
        """Writes down an answer, or with another stage that it has begun."""
        line: Object = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": "Metadata",
            "auditID": self._identify(),
            "stage": stage,
            "requestURI": request.path_qs,
            "verb": info.verb,
            "user": info.user.shown(),
            "sourceIPs": [request.remote or ""],
            "userAgent": request.headers.get("User-Agent", ""),
            **_object_ref(info),
            "responseStatus": {"metadata": {}, "code": code},
            "requestReceivedTimestamp": f"{received:%Y-%m-%dT%H:%M:%S.%fZ}",
            "stageTimestamp": f"{self._now():%Y-%m-%dT%H:%M:%S.%fZ}",
        }
        # As kube-apiserver, which answers although its log cannot be written (apiserver's plugin/pkg/audit/log).
        with contextlib.suppress(OSError):
            self._append(msgspec.json.encode(line) + b"\n")

    def _append(self, line: bytes) -> None:
        self._out.write(line)
        if self._out.tell() > self._largest:
            self._out.close()
            self._file.replace(self._file.with_name(self._file.name + ".1"))
            self._out = self._file.open("ab", buffering=0)


def _object_ref(info: RequestInfo) -> Object:
    if not info.is_resource:
        return {}
    parts = {
        "resource": info.resource,
        "namespace": info.namespace,
        "name": info.name,
        "apiGroup": info.group,
        "apiVersion": info.version,
        "subresource": info.subresource,
    }
    return {"objectRef": {key: value for key, value in parts.items() if value}}
