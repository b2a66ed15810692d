"""Watches of one scripted API server: the lab's streams, which a test may mark, cut and let run out.

BOOKMARKs come only to who asked for them, and only when the test says so. What was forgotten (Store.compact) is 410: as
the answer's own status, or, with `gone_as_event`, as an ERROR in a good answer; servers do both.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from kubevouch_lab.apiserver.status import StatusError, expired
from kubevouch_lab.apiserver.watching import Event, Stream
from kubevouch_lab.objects import Object


class _Open:
    """One answer that goes on."""

    def __init__(
        self, request: web.Request, stream: Stream, formed: Callable[[Object], Object]
    ) -> None:
        self.request = request
        self.formed = formed
        self.stream = stream
        self.response = _lines()
        self.stirred = asyncio.Event()
        self.bookmark = False
        self.gone = False


class Watches:
    """All open watches of a server."""

    def __init__(self) -> None:
        self._open: set[_Open] = set()
        self.gone_as_event = False
        self.before_each: Callable[[web.Request, Event], Awaitable[None]] | None = None
        """Awaited before an event is sent."""

    @property
    def open(self) -> int:
        """How many there are."""
        return len(self._open)

    def bookmark(self) -> None:
        """Tells every client that wants to know how far it has seen."""
        for watch in self._open:
            watch.bookmark = True
            watch.stirred.set()

    def expire(self) -> None:
        """The versions that they have come to are forgotten."""
        for watch in self._open:
            watch.gone = True
            watch.stirred.set()

    async def cut(self, half: bytes = b'{"type":"ADDED","object":{"metadata":{"na') -> None:
        """Breaks every open watch in the middle of a line."""
        for watch in tuple(self._open):
            with contextlib.suppress(OSError):
                await watch.response.write(half)
            if watch.request.transport is not None:
                watch.request.transport.close()

    async def serve(
        self,
        request: web.Request,
        opened: Callable[[], Stream],
        formed: Callable[[Object], Object],
    ) -> web.StreamResponse:
        """One watch, until its time is over or the client leaves. formed: the form in which an object is sent."""
        try:
            stream = opened()
        except StatusError as error:
            if error.code != 410 or not self.gone_as_event:
                raise
            return await _refused(request, error)
        watch = _Open(request, stream, formed)
        self._open.add(watch)
        try:
            await watch.response.prepare(request)
            with stream, contextlib.suppress(TimeoutError):
                async with asyncio.timeout(int(request.query.get("timeoutSeconds", "1800"))):
                    await self._follow(watch)
        finally:
            self._open.discard(watch)
        return watch.response

    async def _follow(self, watch: _Open) -> None:
        following = asyncio.ensure_future(anext(watch.stream))
        marked = asyncio.ensure_future(watch.stirred.wait())
        try:
            while True:
                if watch.gone:
                    return await _send(watch.response, Event("ERROR", expired().body()))
                await asyncio.wait((following, marked), return_when=asyncio.FIRST_COMPLETED)
                if following.done():
                    if self.before_each is not None:
                        await self.before_each(watch.request, following.result())
                    await _tell(watch, following.result())
                    following = asyncio.ensure_future(anext(watch.stream))
                    await asyncio.sleep(0)  # what has happened already goes before a bookmark
                    continue
                if watch.gone:
                    continue
                watch.stirred.clear()
                watch.bookmark = False
                marked = asyncio.ensure_future(watch.stirred.wait())
                if watch.request.query.get("allowWatchBookmarks") in ("true", "1"):
                    await _tell(watch, watch.stream.bookmark())
        finally:
            following.cancel()
            marked.cancel()


async def _tell(watch: _Open, event: Event) -> None:
    await _send(watch.response, Event(event.type, watch.formed(event.object)))


async def _refused(request: web.Request, error: StatusError) -> web.StreamResponse:
    response = _lines()
    await response.prepare(request)
    await _send(response, Event("ERROR", error.body()))
    return response


def _lines() -> web.StreamResponse:
    return web.StreamResponse(headers={"Content-Type": "application/json"})


async def _send(response: web.StreamResponse, event: Event) -> None:
    line = msgspec.json.encode({"type": event.type, "object": event.object})
    await response.write(line + b"\n")
