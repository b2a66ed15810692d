"""Non-resource paths: /version, the probes, discovery, OpenAPI."""

from collections.abc import Mapping
from dataclasses import replace

import msgspec
from aiohttp import web

from kubevouch_lab.apiserver import discovery, openapi
from kubevouch_lab.apiserver.answers import encoded, not_found, text
from kubevouch_lab.apiserver.backends import Backends
from kubevouch_lab.apiserver.kinds import KINDS
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.apiserver.store import Store

_VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.3",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-09-09T12:00:00Z",
    "goVersion": "go1.26.1",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_PROBES = ("/healthz", "/livez", "/readyz")


class PlainPaths:
    """Answers them."""

    def __init__(self, store: Store, backends: Backends) -> None:
        self._store = store
        self._backends = backends

    async def answer(self, info: RequestInfo, request: web.Request) -> web.StreamResponse:
        """The answer, or 404 in plain text."""
        path = info.path.rstrip("/") or "/"
        if path == "/version":
            return encoded(_VERSION)
        probe, _, check = path[1:].partition("/")
        if f"/{probe}" in _PROBES:
            return self._probe(probe, check, request.query)
        accept = ",".join(request.headers.getall("Accept", []))
        found = discovery.document(
            path, accept, address=request.host, others=self._backends.others()
        )
        if found is not None:
            return _document(found, request)
        described = openapi.document(path, accept)
        if described is not None:
            return _tagged(described.body, described.media_type, described.etag, request)
        steps = path.split("/")[1:]
        if steps[0] == "apis" and len(steps) == 3 and (steps[1], steps[2]) not in _SERVED:
            group, version = steps[1:]
            aggregated = self._backends.aggregated(group, version)
            if aggregated is not None:
                return await aggregated(request, replace(info, group=group, version=version))
        return not_found()

    def _probe(self, probe: str, check: str, query: Mapping[str, str]) -> web.Response:
        """As apiserver's pkg/server/healthz/healthz.go answers."""
        checks = {"ping": lambda: True, **(self._backends.ready if probe == "readyz" else {})}
        if check:
            if check not in checks:
                return not_found()
            return text("ok") if checks[check]() else text("internal server error\n", 500)
        good = {name: run() for name, run in checks.items()}
        lines = [
            f"[+]{name} ok" if ok else f"[-]{name} failed: reason withheld"
            for name, ok in good.items()
        ]
        if not all(good.values()):
            return text("\n".join([*lines, f"{probe} check failed", ""]), 500)
        return (
            text("\n".join([*lines, f"{probe} check passed", ""]))
            if "verbose" in query
            else text("ok")
        )


def _document(found: discovery.Document, request: web.Request) -> web.Response:
    if not found.etag:
        return encoded(found.body)
    return _tagged(msgspec.json.encode(found.body), found.media_type, found.etag, request)


def _tagged(body: bytes, media_type: str, etag: str, request: web.Request) -> web.Response:
    """The document, or 304 for a client that has it."""
    headers = {"ETag": etag, "Vary": "Accept", "Cache-Control": "public"}
    if request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers={**headers, "Content-Type": media_type})


_SERVED = {(kind.group, kind.version) for kind in KINDS.values()}
