"""An informer: lists all objects of a resource, then watches for changes.

No change is lost or reported twice. The informer follows client-go's reflector
(tools/cache/reflector.go) and kopf's nested generators:

- A watch first sends every object from the server's memory, and a bookmark ends this initial list
  (WatchList, KEP-3157). If the watch fails, or a server before 1.34 rejects it, the informer lists
  page by page and watches from the list's resourceVersion.
- The informer asks the server to end a watch after five to ten minutes (client-go's
  minWatchTimeout). Bookmarks advance the resourceVersion while nothing happens.
- After a broken or silent connection the watch continues from the last resourceVersion seen. If the
  server's resourceVersion is older, etcd was restored from a backup, and the informer lists again.
  Otherwise the watch would send nothing until the server reaches the last resourceVersion seen, and
  would never show what the restore changed (apiserver's pkg/storage/cacher/cache_watcher.go,
  `process`). client-go does not check this.
- After a 410 Gone, as a status or an event, the informer lists again: it reports changed objects as
  Upserted, and missing objects as Deleted. It also lists again if watches repeatedly fail to
  start.
- After a failure the informer waits up to 30 seconds, or up to 4 while no server responds. Only
  cancelling ends the informer.
"""

import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Final, Generic, TypeVar

import msgspec

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.backoff import Backoff
from kubevouch.kube.decode import NoSuchColumn, RowForm
from kubevouch.kube.errors import (
    ApiUnreachable,
    BadResponse,
    BrokenOff,
    FellSilent,
    Gone,
    RetryLater,
    StatusError,
    TooManyRequests,
)
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.watch_lines import WatchLine, watch_lines
from kubevouch.kube.resources.meta import Object, Resource, VersionOnly

ObjectT = TypeVar("ObjectT", bound=Object)

Key = tuple[str, str]
"""Namespace ("" if cluster-scoped) and name."""

SHORTEST_WATCH: Final = 300
SILENCE: Final = 150.0
"""Seconds without data until a watch counts as dead. Bookmarks arrive about once a minute."""
_SILENCE_IN_LIST: Final = 30.0
"""Like SILENCE, but for the initial list of a watch, which servers send without a pause."""
LIST_AFTER: Final = 5
"""After more consecutive failures than this, a watch starts with a new list."""
_NO_END: Final = "the initial list of a watch did not end"
_FROM_A_LIST: Final = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
_REMEMBERED: Final = 1_000
"""When an informer knows more objects than this, it forgets those that its consumer does not keep
(`keeps`). Afterwards, its limit is this plus twice the number of objects that are left."""
_SHORT: Final = 1.0
"""A watch counts as failed if it ends within this many seconds without an event (client-go's
"very short watch")."""


class Upserted(msgspec.Struct, Generic[ObjectT], frozen=True):
    """A new or changed object."""

    object: ObjectT


class Deleted(msgspec.Struct, frozen=True):
    """A deleted object."""

    key: Key
    uid: str


class Synced(msgspec.Struct, frozen=True):
    """The event after a list: every object of the list has been reported."""


Event = Upserted[ObjectT] | Deleted | Synced


class Watch(Generic[ObjectT]):
    """An informer of one resource: `async for event in Watch(api, NODES, ...).events():`.

    report: called with each failure before the wait. rng: returns a random number in [0, 1).
    silence: seconds without data until a connection counts as dead. rows: build objects from rows
    of a Table. If the server's Tables lack the column, the informer requests whole objects. keeps:
    whether the consumer keeps an object (None: it keeps all). The informer may forget all other
    objects. It may then report them again, and miss their deletion.
    """

    def __init__(
        self,
        api: ApiClient,
        resource: Resource[ObjectT],
        *,
        clock: Clock,
        rng: Callable[[], float],
        report: Callable[[KubevouchError], None],
        namespace: str = "",
        field_selector: str = "",
        label_selector: str = "",
        silence: float = SILENCE,
        rows: RowForm[ObjectT] | None = None,
        keeps: Callable[[Key], bool] | None = None,
    ) -> None:
        self._api = api
        self._resource = resource
        self._clock = clock
        self._rng = rng
        self._report = report
        self._namespace = namespace
        self._selectors = {"fieldSelector": field_selector, "labelSelector": label_selector}
        self._silence = silence
        self._rows = rows
        self._keeps = keeps
        self._forget_at = _REMEMBERED
        self._backoff = Backoff(rng)
        self._known: dict[Key, tuple[str, str]] = {}
        """uid and resourceVersion of known objects: those reported as Upserted and not yet as Deleted."""
        self._version = ""
        self._stuck = 0
        """The number of consecutive watches that failed to start from the last resourceVersion."""
        self._was_down = False
        """Whether an API server may have been down since it last confirmed the resourceVersion."""
        self.heard = clock.monotonic()
        """When the last data (a page, an event, a bookmark) arrived, by the monotonic clock; initially the start time."""
        self.heard_before_list = self.heard
        """When the last data before the newest list arrived; initially the start time. Objects that
        were created after this time and deleted before the list are never reported."""

        self.listing = True
        """Whether a list is in progress. A list is sorted by name, not by creation time."""
        self._missing: set[Key] = set()
        """Known objects that the current list has not shown yet."""
        self._by_pages = False
        """Whether to list page by page, since a watch with an initial list failed."""

    async def follow(
        self,
        upserted: Callable[[ObjectT], None],
        deleted: Callable[[Key], None],
        synced: Callable[[], None],
    ) -> None:
        """Calls the matching callback for each event, until cancelled. See `events` for details."""
        async for event in self.events():
            match event:
                case Upserted(object=found):
                    upserted(found)
                case Deleted(key=key):
                    deleted(key)
                case Synced():
                    synced()

    async def events(self) -> AsyncGenerator[Event[ObjectT], None]:
        """Yields events forever. Cancel the task or close the iterator to stop."""
        while True:
            if not self._version:
                if not self.listing:
                    self.heard_before_list = self.heard
                self.listing, self._missing = True, set(self._known)
            steps = self._list() if self.listing and self._by_pages else self._watch()
            async with contextlib.aclosing(steps):
                try:
                    async for event in steps:
                        yield event
                except NoSuchColumn as error:
                    self._rows, self._version = None, ""
                    self._report(error)
                except KubevouchError as error:
                    await self._wait_after(error)

    async def _list(self) -> AsyncGenerator[Event[ObjectT], None]:
        """Lists page by page: yields changed objects, deleted objects, and Synced."""
        version = ""
        pages = self._api.pages(
            self._resource,
            self._resource.struct,
            self._namespace,
            label_selector=self._selectors["labelSelector"],
            field_selector=self._selectors["fieldSelector"],
            rows=self._rows,
        )
        async for page in pages:
            self.heard = self._clock.monotonic()
            version = version or page.metadata.resource_version
            for item in page.items:
                for event in self._events_for(item):
                    yield event
        for event in self._end_of_list(version):
            yield event

    def _end_of_list(self, version: str) -> list[Event[ObjectT]]:
        """The events at the end of a list: Deleted for each known object that is gone, then Synced.

        version: the list's resourceVersion.
        """
        gone = self._missing & self._known.keys()
        # A server without resourceVersions can only be watched from "0", which means any version.
        self._version, self._stuck, self._was_down = version or "0", 0, False
        self.listing, self._missing, self._by_pages = False, set(), False
        return [*(Deleted(key, self._known.pop(key)[0]) for key in gone), Synced()]

    async def _watch(self) -> AsyncGenerator[Event[ObjectT], None]:
        """Watches until the server ends the watch. Starts from the last resourceVersion, or with a list."""
        if self._was_down and not self.listing:
            await self._check_version()
        began, said = self._clock.monotonic(), False
        path = self._resource.path(self._namespace)
        stream = watch_lines(
            self._api,
            self._resource,
            path,
            {name: text for name, text in self._selectors.items() if text}
            | (_FROM_A_LIST if self.listing else {"resourceVersion": self._version}),
            seconds=int(SHORTEST_WATCH * (1 + self._rng())),
            silence=min(self._silence, _SILENCE_IN_LIST) if self.listing else self._silence,
            rows=self._rows,
        )
        async with contextlib.aclosing(stream):
            async for word in stream:
                said = True
                self._stuck = 0
                self.heard = self._clock.monotonic()
                self._backoff.succeeded()
                for event in self._on_line(word):
                    yield event
        if self.listing:
            raise BadResponse(f"{self._api.access.server}{path}", _NO_END)
        if said or self._clock.monotonic() - began >= _SHORT:
            self._backoff.succeeded()
        else:
            await self._clock.sleep(self._backoff.failed())

    async def _check_version(self) -> None:
        """Raises Gone if the server's resourceVersion is older than the last one seen."""
        pages = self._api.pages(
            self._resource,
            VersionOnly,
            self._namespace,
            label_selector=self._selectors["labelSelector"],
            field_selector=self._selectors["fieldSelector"],
            only_metadata=True,
            objects=1,
        )
        async with contextlib.aclosing(pages):
            version = (await anext(pages)).metadata.resource_version
        if _is_older(version, self._version):
            raise self._went_back(version)
        self._was_down = False

    def _on_line(self, word: WatchLine[ObjectT]) -> list[Event[ObjectT]]:
        if self.listing:
            return self._on_line_of_list(word)
        if word.error is not None:
            self._report(word.error)
        if word.object is None:
            if _is_older(word.version, self._version):
                raise self._went_back(word.version)
            self._version = word.version or self._version
            return []
        if not _newer(word.version, self._version):
            # Already reported: some servers start a little before the requested version.
            return []
        self._version = word.version or self._version
        if word.type != "DELETED":
            return self._events_for(word.object)
        return self._deleted(_key(word.object))

    def _on_line_of_list(self, word: WatchLine[ObjectT]) -> list[Event[ObjectT]]:
        """The events for a line of a watch's initial list.

        Unlike client-go's handleAnyWatch, raises the error of an unreadable object. Otherwise the
        object would look deleted.
        """
        if word.error is not None:
            raise word.error
        if word.object is None:
            if not word.ends_list:
                # The first bookmark of a kube-apiserver ends the list. This server does not
                # support WatchList.
                raise BadResponse(f"{self._api.access.server}{self._resource.path()}", _NO_END)
            return self._end_of_list(word.version)
        if word.type != "DELETED":
            return self._events_for(word.object)
        return self._deleted(_key(word.object))

    def _deleted(self, key: Key) -> list[Event[ObjectT]]:
        known = self._known.pop(key, None)
        return [] if known is None else [Deleted(key, known[0])]

    def _went_back(self, version: str) -> Gone:
        """The error for a resourceVersion that went backwards. The informer then lists again."""
        where = f"{self._api.access.server}{self._resource.path(self._namespace)}"
        seen = f"resourceVersion {version} after {self._version}: etcd was restored from a backup"
        return Gone(where, seen, code=410, reason="Expired")

    def _events_for(self, item: ObjectT) -> list[Event[ObjectT]]:
        """The events for an object's current state. A recreated object is first reported as Deleted."""
        key, metadata = _key(item), item.metadata
        self._missing.discard(key)
        state = (metadata.uid, metadata.resource_version)
        known = self._known.get(key)
        if known == state and metadata.resource_version:
            return []
        self._known[key] = state
        if self._keeps is not None and len(self._known) > self._forget_at:
            self._known = {k: v for k, v in self._known.items() if k == key or self._keeps(k)}
            self._forget_at = 2 * len(self._known) + _REMEMBERED
        if known is not None and known[0] != metadata.uid:
            return [Deleted(key, known[0]), Upserted(item)]
        return [Upserted(item)]

    async def _wait_after(self, error: KubevouchError) -> None:
        if isinstance(error, ApiUnreachable):
            wait = self._backoff.unreached()
        else:
            asked = error.retry_after if isinstance(error, RetryLater) else None
            wait = self._backoff.failed(asked or 0.0)
        self._was_down = self._was_down or _may_be_down(error)
        self._stuck += bool(self._version) and not _never_sent(error)
        if self.listing and not _never_sent(error) and not isinstance(error, TooManyRequests):
            refused, self._by_pages = not self._by_pages and _needs_new_list(error), True
            if refused:
                return
        elif _needs_new_list(error) or self._stuck > LIST_AFTER:
            self._version = ""
        if isinstance(error, FellSilent):
            # The failed attempt itself took long enough.
            return
        self._report(error)
        await self._clock.sleep(wait)


def _key(item: Object) -> Key:
    return item.metadata.namespace, item.metadata.name


def _newer(version: str, than: str) -> bool:
    """Whether a resourceVersion is newer than another, or cannot be compared with it.

    resourceVersions are increasing numbers (KEP-5504).
    """
    if not (version.isdecimal() and than.isdecimal()):
        return True
    return (len(version), version) > (len(than), than)


def _is_older(version: str, than: str) -> bool:
    """Whether a resourceVersion is older than another. False unless both are numbers."""
    return version.isdecimal() and version != than and not _newer(version, than)


def _may_be_down(error: KubevouchError) -> bool:
    """Whether an API server may have been down, as during a restore of etcd.

    An error response with a status below 500 proves that the server was up.
    """
    return not isinstance(error, StatusError) or error.code >= 500


def _never_sent(error: KubevouchError) -> bool:
    """Whether no server was reached, or none responded in time. A new list would fail, too."""
    return isinstance(error, ApiUnreachable) and not isinstance(error, BrokenOff)


def _needs_new_list(error: KubevouchError) -> bool:
    """Whether only a new list helps.

    This is so if the server rejected the resourceVersion as too old (410) or invalid (400, 422).
    """
    if not isinstance(error, StatusError) or isinstance(error, TooManyRequests):
        return False
    return error.code in (400, 410, 422) or error.reason in ("Expired", "Gone")
