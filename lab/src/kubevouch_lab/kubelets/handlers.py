"""The paths of port 10250 (pkg/kubelet/server/server.go). What the lab has no part for it says so."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

from kubevouch_lab.kubelets.callers import Callers, Refused
from kubevouch_lab.kubelets.container_logs import container_log
from kubevouch_lab.kubelets.pages import Vitals, resource_page
from kubevouch_lab.kubelets.pods import Runtime
from kubevouch_lab.objects import Object

_PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
_NOT_HERE: Final = ("run", "exec", "attach", "portForward", "logs", "debug", "checkpoint", "stats")


@dataclass(frozen=True)
class HandlerSources:
    """Where the answers come from, asked at each request."""

    vitals: Callable[[], Vitals]
    configz: Callable[[], Object]
    pods: Callable[[], list[Object]]
    runtime: Runtime


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
        if first == "containerLogs" and request.method in {"GET", "POST"}:
            return container_log(request, self._told.runtime, self._told.pods())
        answer = self._get(request) if request.method in {"GET", "HEAD", "POST"} else None
        if answer is not None:
            return answer
        if first in _NOT_HERE:
            return web.Response(
                status=501,
                text=f"{request.path}: not served by the lab's kubelets\n",
            )
        return _text(404, "404: Page Not Found")

    def _get(self, request: web.BaseRequest) -> web.Response | None:
        told, path = self._told, request.path.rstrip("/") or "/"
        match path:
            case "/healthz":
                return _text(200, "ok")
            case "/metrics/resource":
                return _page(resource_page(told.vitals()))
            case "/configz":
                return _json(told.configz(), {"X-Content-Type-Options": "nosniff"})
            case "/pods":
                listed = {"kind": "PodList", "apiVersion": "v1", "metadata": {}}
                return _json(listed | {"items": told.pods()})
        return None


def _page(text: str) -> web.Response:
    return web.Response(body=text.encode(), headers={"Content-Type": _PROMETHEUS})


def _json(body: Any, headers: dict[str, str] | None = None) -> web.Response:  # noqa: ANN401 - JSON
    return web.Response(
        body=msgspec.json.encode(body), content_type="application/json", headers=headers
    )


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text)
