"""Non-resource paths: /version, the probes, discovery, OpenAPI."""

from dataclasses import replace

from aiohttp import web

from kubevouch_lab.apiserver import discovery, openapi
from kubevouch_lab.apiserver.answers import encoded, not_found, text
from kubevouch_lab.apiserver.backends import Backends
from kubevouch_lab.apiserver.request import RequestInfo

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
_PROBES = ("healthz", "livez", "readyz")


async def answer(backends: Backends, info: RequestInfo, request: web.Request) -> web.StreamResponse:
    """The answer, or 404 in plain text."""
    path = info.path.rstrip("/") or "/"
    if path == "/version":
        return encoded(_VERSION)
    if path[1:] in _PROBES:
        whole = f"[+]ping ok\n{path[1:]} check passed\n"
        return text(whole if "verbose" in request.query else "ok")
    others = backends.others()
    found = discovery.document(path, address=request.host, others=others)
    if found is not None:
        return encoded(found)
    described = openapi.document(path)
    if described is not None:
        content, media_type = described
        return web.Response(body=content, content_type=media_type)
    steps = path.split("/")[1:]
    if steps[0] == "apis" and len(steps) == 3:
        group, version = steps[1:]
        aggregated = backends.aggregated(group, version)
        if aggregated is not None:
            return await aggregated(request, replace(info, group=group, version=version))
    return not_found()
