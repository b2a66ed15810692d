"""GET /containerLogs/<namespace>/<pod>/<container>, of PodLogOptions only tailLines and limitBytes (pkg/kubelet/kuberuntime/logs)."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from kubevouch_lab.kubelets.pods import Runtime
from kubevouch_lab.objects import Object, name_of, namespace_of

_KNOWN: Final = {"tailLines", "limitBytes"}


def container_log(
    request: web.BaseRequest, runtime: Runtime, pods: Sequence[Object]
) -> web.Response:
    """What the container has printed so far."""
    words = request.path.split("/")[2:]
    if len(words) != 3:
        return web.Response(status=404, text="404: Page Not Found")
    namespace, pod, container = words
    if (namespace, pod) not in ((namespace_of(each), name_of(each)) for each in pods):
        return web.Response(status=404, text=f'pod "{pod}" not found\n')
    lines = runtime.log(namespace, pod, container)
    if lines is None:
        text = f'container "{container}" in pod "{pod}" is not available\n'
        return web.Response(status=404, text=text)
    unknown = [name for name, value in request.query.items() if value != "false"]
    unknown = [name for name in unknown if name not in _KNOWN]
    if unknown:
        return web.Response(status=400, text=f"the lab's kubelets do not support {unknown[0]}")
    tail, limit = (_number(request.query.get(each, "")) for each in ("tailLines", "limitBytes"))
    shown = lines if tail is None else lines[max(0, len(lines) - tail) :]
    body = "".join(line.text for line in shown).encode(errors="replace")
    return web.Response(body=body[:limit], content_type="text/plain")


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
