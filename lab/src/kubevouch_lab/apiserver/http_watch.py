"""A watch over HTTP: one JSON object a line, for as long as the client stays (apiserver's pkg/endpoints/handlers/watch.go)."""

import asyncio
from collections.abc import Callable

import msgspec
from aiohttp import web

from kubevouch_lab.apiserver.accept import JSON
from kubevouch_lab.apiserver.request import Query
from kubevouch_lab.apiserver.status import StatusError
from kubevouch_lab.apiserver.watching import Event, Stream
from kubevouch_lab.objects import Object

# --min-request-timeout; the real one adds up to as much again by chance.
_LONGEST = 1800.0
BOOKMARK_EVERY = 60.0


async def serve(
    request: web.Request,
    stream: Stream,
    formed: Callable[[Object], Object],
    *,
    bookmark_every: float = BOOKMARK_EVERY,
) -> web.StreamResponse:
    """Writes events until the time-out of the query, the end of the stream or of the connection.

    Seconds are those of the event loop: a client waits in real time, whatever the clock of the lab says.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds(request.query)
    bookmarks = request.query.get("allowWatchBookmarks", "").lower() in {"true", "1"}
    response = _response()
    with stream:
        await response.prepare(request)
        while (now := loop.time()) < end:
            try:
                async with asyncio.timeout_at(min(end, now + bookmark_every)):
                    event = await anext(stream)
            except TimeoutError:
                if bookmarks:
                    await _write(response, stream.bookmark(), formed)
            except StopAsyncIteration:
                break
            else:
                await _write(response, event, formed)
        await response.write_eof()
    return response


async def refuse(request: web.Request, error: StatusError) -> web.StreamResponse:
    """A watch that cannot go on tells so in its stream: 410 for a revision that is forgotten."""
    response = _response()
    await response.prepare(request)
    await _write(response, Event("ERROR", error.body()), lambda thing: thing)
    await response.write_eof()
    return response


def seconds(query: Query) -> float:
    """timeoutSeconds, or the longest that a watch may last."""
    try:
        asked = int(query.get("timeoutSeconds", "0"))
    except ValueError:
        asked = 0
    return float(asked) if asked > 0 else _LONGEST


def _response() -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": JSON, "Cache-Control": "no-cache, private"}
    )
    response.enable_chunked_encoding()
    return response


async def _write(
    response: web.StreamResponse, event: Event, formed: Callable[[Object], Object]
) -> None:
    thing = event.object if event.type == "ERROR" else formed(event.object)
    await response.write(msgspec.json.encode({"type": event.type, "object": thing}) + b"\n")
