"""GET /containerLogs/<namespace>/<pod>/<container>, with the options of PodLogOptions (pkg/kubelet/kuberuntime/logs)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from aiohttp import web

from kubevouch.clock import Clock
from kubevouch_lab.kubelets.pods import ContainerLogLine, Runtime
from kubevouch_lab.objects import Object, name_of, namespace_of

_LOOK_AGAIN: Final = 0.2


async def serve_container_log(
    request: web.BaseRequest, runtime: Runtime, pods: Sequence[Object], clock: Clock
) -> web.StreamResponse:
    """What the container has printed; with follow=true, what it prints until it is gone."""
    words = request.path.split("/")[2:]
    if len(words) != 3:
        return web.Response(status=404, text="404: Page Not Found")
    namespace, pod, container = words
    named = ((namespace_of(each), name_of(each)) for each in pods)
    if (namespace, pod) not in named:
        return web.Response(status=404, text=f'pod "{pod}" not found\n')
    lines = runtime.log(namespace, pod, container)
    if lines is None:
        text = f'container "{container}" in pod "{pod}" is not available\n'
        return web.Response(status=404, text=text)
    query = request.query
    if query.get("previous") == "true":
        text = f'previous terminated container "{container}" in pod "{pod}" not found'
        return web.Response(status=400, text=text)
    shown = _chosen(lines, query.get("tailLines", ""), _since(request, clock))
    limit = int(bytes_) if (bytes_ := query.get("limitBytes", "")).isdecimal() else None
    if query.get("follow") != "true":
        return web.Response(body=_bytes(shown, request)[:limit], content_type="text/plain")
    answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await answer.prepare(request)
    while lines is not None and request.transport is not None:
        await answer.write(_bytes(shown, request))
        last = lines[-1] if lines else None
        await clock.sleep(_LOOK_AGAIN)
        lines = runtime.log(namespace, pod, container)
        shown = _after(lines or (), last)
    await answer.write_eof()
    return answer


def _since(request: web.BaseRequest, clock: Clock) -> datetime | None:
    if (seconds := request.query.get("sinceSeconds", "")).isdecimal():
        return clock.now() - timedelta(seconds=min(int(seconds), 10**9))
    try:
        found = datetime.fromisoformat(request.query.get("sinceTime", ""))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _chosen(
    lines: Sequence[ContainerLogLine], tail: str, since: datetime | None
) -> Sequence[ContainerLogLine]:
    new = [line for line in lines if since is None or line.at >= since]
    return new[len(new) - min(int(tail), len(new)) :] if tail.isdecimal() else new


def _after(
    lines: Sequence[ContainerLogLine], last: ContainerLogLine | None
) -> Sequence[ContainerLogLine]:
    """What has come since that very line; the oldest ones may have been dropped meanwhile."""
    for back, line in enumerate(reversed(lines)):
        if line is last:
            return lines[len(lines) - back :]
    return lines


def _bytes(lines: Sequence[ContainerLogLine], request: web.BaseRequest) -> bytes:
    stamped = request.query.get("timestamps") == "true"
    return "".join(
        f"{line.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z {line.text}" if stamped else line.text
        for line in lines
    ).encode(errors="replace")
