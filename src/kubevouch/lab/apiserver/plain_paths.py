"""Paths that are no resources: /version, the probes, discovery, OpenAPI."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from kubevouch.lab.apiserver.answers import encoded, not_found, text
from kubevouch.lab.apiserver.backends import Backends
from kubevouch.lab.apiserver.kinds import KINDS
from kubevouch.lab.apiserver.request import RequestInfo
from kubevouch.lab.apiserver.store import Store

Object = dict[str, Any]
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
        steps = path.split("/")[1:]
        if (found := _discovered(steps)) is not None:
            return encoded(found)
        if steps[0] == "apis" and len(steps) == 3 and (steps[1], steps[2]) not in _SERVED:
            aggregated = self._backends.aggregated(steps[1], steps[2])
            return await aggregated(request, info) if aggregated else not_found()
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


def _discovered(steps: list[str]) -> Object | None:
    if steps == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if steps == ["apis"]:
        groups = sorted({(kind.group, kind.version) for kind in KINDS.values() if kind.group})
        listed = [
            {
                "name": group,
                "versions": [{"groupVersion": f"{group}/{version}", "version": version}],
                "preferredVersion": {"groupVersion": f"{group}/{version}", "version": version},
            }
            for group, version in groups
        ]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
    group_version = "/".join(steps[1:])
    kinds = [kind for kind in KINDS.values() if kind.api_version == group_version]
    if not kinds:
        return None
    resources = [
        {
            "name": kind.plural,
            "singularName": kind.singular,
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": list(kind.verbs),
            "shortNames": list(kind.short_names),
            "categories": list(kind.categories),
        }
        for kind in kinds
    ]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }


_SERVED = {(kind.group, kind.version) for kind in KINDS.values()}
