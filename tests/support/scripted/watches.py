"""Watches of one API server: what changed, line by line, from a version on.

As apiserver's handlers/watch.go sends them: an object that comes into a selector is ADDED, one that leaves it is
DELETED; BOOKMARKs only to who asked for them, and only when the test says so. What was forgotten (Store.compact) is
410: as the answer's own status, or, with `gone_as_event`, as an ERROR in a good answer; servers do both.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from tests.support.scripted.kinds import Kind
from tests.support.scripted.status import StatusError
from tests.support.scripted.store import Change, Object, Store


@dataclass(frozen=True)
class Watching:
    """What one client wants to see."""

    kind: Kind
    namespace: str
    matches: Callable[[Object], bool]
    query: Mapping[str, str]

    def event(self, change: Change) -> Object | None:
        """A change as this client sees it; None if it does not."""
        before, after = (
            thing
            if thing is not None
            and (not self.namespace or thing["metadata"].get("namespace") == self.namespace)
            and self.matches(thing)
            else None
            for thing in (change.before, change.after)
        )
        if after is not None:
            return self.line("ADDED" if before is None else "MODIFIED", after)
        if before is None:
            return None
        # As it was, at the version of its end.
        metadata = {**before["metadata"], "resourceVersion": str(change.version)}
        return self.line("DELETED", {**before, "metadata": metadata})

    def line(self, kind: str, thing: Object) -> Object:
        """An event."""
        return {"type": kind, "object": thing}


class _Open:
    """One answer that goes on."""

    def __init__(self, request: web.Request, watching: Watching, version: int) -> None:
        self.request = request
        self.watching = watching
        self.version = version
        self.response = web.StreamResponse(headers={"Content-Type": "application/json"})
        self.stirred = asyncio.Event()
        self.bookmark = False

    async def send(self, event: Object) -> None:
        await self.response.write(msgspec.json.encode(event) + b"\n")


class Watches:
    """All open watches of a server."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: set[_Open] = set()
        self.gone_as_event = False

    @property
    def open(self) -> int:
        """How many there are."""
        return len(self._open)

    def bookmark(self) -> None:
        """Tells every client that wants to know how far it has seen."""
        for watch in self._open:
            watch.bookmark = True
            watch.stirred.set()

    async def cut(self, half: bytes = b'{"type":"ADDED","object":{"metadata":{"na') -> None:
        """Breaks every open watch in the middle of a line."""
        for watch in tuple(self._open):
            with contextlib.suppress(OSError):
                await watch.response.write(half)
            if watch.request.transport is not None:
                watch.request.transport.close()

    async def serve(self, request: web.Request, watching: Watching) -> web.StreamResponse:
        """One watch, until its time is over or the client leaves."""
        asked = watching.query.get("resourceVersion", "")
        version = int(asked) if asked not in ("", "0") else 0
        if version and not self.gone_as_event:
            self._store.since(watching.kind, version)
        watch = _Open(request, watching, version or self._store.version)
        self._store.listeners.add(watch.stirred.set)
        self._open.add(watch)
        try:
            await watch.response.prepare(request)
            if not version:
                await self._present(watch)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(int(watching.query.get("timeoutSeconds", "1800"))):
                    await self._follow(watch)
        finally:
            self._open.discard(watch)
            self._store.listeners.discard(watch.stirred.set)
        return watch.response

    async def _present(self, watch: _Open) -> None:
        watching = watch.watching
        page = self._store.page(watching.kind, watching.namespace, [watching.matches], 0, "")
        for thing in page.items:
            await watch.send(watching.line("ADDED", thing))

    async def _follow(self, watch: _Open) -> None:
        while True:
            watch.stirred.clear()
            try:
                changes = self._store.since(watch.watching.kind, watch.version)
            except StatusError as error:
                await watch.send({"type": "ERROR", "object": error.body()})
                return
            for change in changes:
                watch.version = change.version
                if (event := watch.watching.event(change)) is not None:
                    await watch.send(event)
            if watch.bookmark:
                watch.bookmark = False
                await self._mark(watch)
            await watch.stirred.wait()

    async def _mark(self, watch: _Open) -> None:
        if watch.watching.query.get("allowWatchBookmarks") not in ("true", "1"):
            return
        watch.version = self._store.version
        kind = watch.watching.kind
        metadata: dict[str, Any] = {"resourceVersion": str(watch.version)}
        thing = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
        await watch.send({"type": "BOOKMARK", "object": thing})
