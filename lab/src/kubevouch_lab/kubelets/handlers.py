"""The paths of port 10250 (pkg/kubelet/server/server.go). What the lab has no part for it says so."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

from kubevouch.clock import Clock
from kubevouch_lab.kubelets.callers import Callers, Refused
from kubevouch_lab.kubelets.container_logs import serve_container_log
from kubevouch_lab.kubelets.pages import Vitals, resource_page, summary
from kubevouch_lab.kubelets.pods import Runtime
from kubevouch_lab.objects import Object

_PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
_DEBUG: Final = (
    "run",
    "exec",
    "attach",
    "portForward",
    "containerLogs",
    "runningpods",
    "logs",
    "debug",
)
_NOT_HERE: Final = ("run", "exec", "attach", "portForward", "logs", "debug", "checkpoint")


@dataclass(frozen=True)
class HandlerSources:
    """Where the answers come from, asked at each request. debugging: enableDebuggingHandlers."""

    vitals: Callable[[], Vitals]
    metrics: Callable[[], str]
    configz: Callable[[], Object]
    pods: Callable[[], list[Object]]
    runtime: Runtime
    clock: Clock
    debugging: bool = True


class KubeletHandlers:
    """Answers requests. `callers` decides first."""

    def __init__(self, callers: Callers, told: HandlerSources) -> None:
        self._callers = callers
        self._told = told

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        try:
            await self._callers.admit(request)
        except Refused as refused:
            return web.Response(status=refused.status, text=refused.text)
        first = request.path.split("/")[1]
        if not self._told.debugging and first in _DEBUG:
            return web.Response(status=405, text="Debug endpoints are disabled.\n")
        if first == "containerLogs" and request.method in {"GET", "POST"}:
            told = self._told
            return await serve_container_log(request, told.runtime, told.pods(), told.clock)
        answer = self._get(request) if request.method in {"GET", "HEAD", "POST"} else None
        if answer is not None:
            return answer
        if first in _NOT_HERE:
            return web.Response(
                status=501,
                text=f"{request.path}: the lab runs no containers, so this is not there\n",
            )
        return _text(404, "404: Page Not Found")

    def _get(self, request: web.BaseRequest) -> web.Response | None:  # noqa: PLR0911 - a table of paths
        told, path = self._told, request.path.rstrip("/") or "/"
        match path:
            case "/healthz" | "/healthz/ping" | "/healthz/log" | "/healthz/syncloop":
                return _healthz(verbose="verbose" in request.query, whole=path == "/healthz")
            case "/metrics/resource":
                return _page(resource_page(told.vitals()))
            case "/metrics":
                return _page(told.metrics())
            case "/metrics/cadvisor" | "/metrics/probes":
                return _page("")
            case "/stats/summary":
                short = request.query.get("only_cpu_and_memory") == "true"
                return _json(summary(told.vitals(), short=short))
            case "/configz" if told.debugging:
                return _json(told.configz(), {"X-Content-Type-Options": "nosniff"})
            case "/pods" | "/runningpods":
                listed = {"kind": "PodList", "apiVersion": "v1", "metadata": {}}
                return _json(listed | {"items": told.pods()})
        return None


def _healthz(*, verbose: bool, whole: bool) -> web.Response:
    if not (verbose and whole):
        return _text(200, "ok")
    checks = "".join(f"[+]{name} ok\n" for name in ("ping", "log", "syncloop"))
    return _text(200, f"{checks}healthz check passed\n")


def _page(text: str) -> web.Response:
    return web.Response(body=text.encode(), headers={"Content-Type": _PROMETHEUS})


def _json(body: Any, headers: dict[str, str] | None = None) -> web.Response:  # noqa: ANN401 - JSON
    return web.Response(
        body=msgspec.json.encode(body), content_type="application/json", headers=headers
    )


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text)
