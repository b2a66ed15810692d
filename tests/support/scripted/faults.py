"""Things that go wrong between a client and an API server, as scripts for one path.

Each of the makers below returns what is played in place of the true answer.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from kubevouch_lab.apiserver.status import StatusError
from tests.support.scripted.seen import Seen

Play = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Script:
    """Plays instead of the true answer, for the requests it matches, `times` times (None: always)."""

    matches: Callable[[Seen], bool]
    play: Play
    times: int | None


class Faults:
    """The scripts of one server, in the order they were given; each request plays the first that matches."""

    def __init__(self) -> None:
        self._scripts: list[Script] = []

    def on(
        self,
        path: str,
        play: Play,
        *,
        times: int | None = None,
        method: str | None = None,
        where: Callable[[Seen], bool] = lambda _: True,
    ) -> None:
        """Scripts a path (exact, or a prefix if it ends with `*`)."""

        def matches(request: Seen) -> bool:
            right = (
                request.path.startswith(path[:-1]) if path.endswith("*") else request.path == path
            )
            return right and method in (None, request.method) and where(request)

        self._scripts.append(Script(matches, play, times))

    def clear(self) -> None:
        """From now on every answer is true."""
        self._scripts.clear()

    def due(self, request: Seen) -> Play | None:
        """What to play for this request, counted as played."""
        for script in self._scripts:
            if script.times != 0 and script.matches(request):
                if script.times is not None:
                    script.times -= 1
                return script.play
        return None


def answer(status: int, body: str | bytes = b"", **headers: str) -> Play:
    """A fixed answer. Header names are written with underscores: `Content_Type`."""

    async def play(_: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(
            status=status, body=body.encode() if isinstance(body, str) else body, headers=named
        )

    return play


def refuse(error: StatusError) -> Play:
    """A Status error."""

    async def play(_: web.Request) -> web.StreamResponse:
        raise error

    return play


def html(status: int) -> Play:
    """What a load balancer or a login page says."""
    page = f"<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>"
    return answer(status, page, Content_Type="text/html; charset=utf-8")


def redirect(to: str, status: int = 302) -> Play:
    """Somewhere else."""
    return answer(status, "", Location=to)


def silence() -> Play:
    """Reads the request and never answers; ends when the client gives up or the server closes."""

    async def play(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    return play


def answered_late(whole: Play, until: Callable[[], Awaitable[None]]) -> Play:
    """The request is carried out at once; its answer waits for `until`."""

    async def play(request: web.Request) -> web.StreamResponse:
        response = await whole(request)
        await until()
        return response

    return play


def reset(after: bytes | None = None, declared: int = 4096) -> Play:
    """A TCP reset: before any answer, or after so many bytes of a body declared longer."""

    async def play(request: web.Request) -> web.StreamResponse:
        response = await _begun(request, after, declared)
        transport = request.transport
        assert transport is not None
        raw = transport.get_extra_info("socket")
        # Linger of zero seconds: close sends RST, not FIN.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        return response

    return play


def truncated(body: bytes, declared: int = 4096) -> Play:
    """A body declared longer than it is, then the end of the connection."""

    async def play(request: web.Request) -> web.StreamResponse:
        response = await _begun(request, body, declared)
        assert request.transport is not None
        request.transport.close()
        return response

    return play


def lines(*texts: str, then: str = "close") -> Play:
    """A watch by script: these bytes, then "close" ends the answer, "reset" the connection, "hold" keeps it open.

    A text that does not end with a newline is a line cut short.
    """

    async def play(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for text in texts:
            await response.write(text.encode())
        if then == "hold":
            await asyncio.Event().wait()
        elif then == "reset" and request.transport is not None:
            request.transport.abort()
        return response

    return play


def flood(megabytes: int, chunk: bytes = b" " * 65536) -> Play:
    """A body of undeclared length, as fast as the client takes it; less if the client has enough."""

    async def play(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for _ in range(megabytes * 1024 * 1024 // len(chunk)):
            await _turn()
            if request.transport is None or request.transport.is_closing():
                break
            await response.write(chunk)
        return response

    return play


async def _turn() -> None:
    """Lets the event loop see that the client is gone: a write returns at once while there is room."""
    loop = asyncio.get_running_loop()
    turned = loop.create_future()
    loop.call_soon(turned.set_result, None)
    await turned


async def _begun(request: web.Request, body: bytes | None, declared: int) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": "application/json", "Content-Length": str(declared)}
    )
    if body is not None:
        await response.prepare(request)
        await response.write(body)
    return response
