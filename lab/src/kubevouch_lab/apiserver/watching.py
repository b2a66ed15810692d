"""Watches: where one starts, and what a change is to somebody who selects (apiserver's pkg/storage/cacher)."""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

from kubevouch_lab.apiserver.history import Change, Watcher
from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.listing import number, refused, selected, trigger_of
from kubevouch_lab.apiserver.request import Query
from kubevouch_lab.apiserver.selectors import Matches
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.objects import Object

INITIAL_END = "k8s.io/initial-events-end"


@dataclass(frozen=True)
class Event:
    """ADDED, MODIFIED, DELETED or BOOKMARK, and the object."""

    type: str
    object: Object


class Stream:
    """What is there at the start (where that is asked for), then what happens, as events.

    bookmarks: whether the client wants them; the one who serves says when. Close it, or use it in a `with`.
    """

    def __init__(
        self, kind: Kind, watcher: Watcher, matches: Matches, initial: list[Event]
    ) -> None:
        self._kind = kind
        self._watcher = watcher
        self._matches = matches
        self._initial = deque(initial)

    @property
    def revision(self) -> int:
        """Everything up to it that concerns this stream has been handed over or waits in it."""
        return self._watcher.revision

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends it."""
        self._watcher.close()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        if self._initial:
            return self._initial.popleft()
        while True:
            change = await self._watcher.__anext__()
            event = self._seen(change)
            if event is not None:
                return event

    def bookmark(self) -> Event:
        """An event without a change, which says how far this stream has come. Ask for it only when no change waits."""
        return Event("BOOKMARK", _bookmark(self._kind, self.revision, initial_end=False))

    def _seen(self, change: Change) -> Event | None:
        """The event for a change of a selected object, into the selection or out of it; None for any other change."""
        before, after = change.before, change.after
        was = before is not None and self._matches(before)
        now = after is not None and self._matches(after)
        if now and after is not None:
            return Event("MODIFIED" if was else "ADDED", after)
        if was and before is not None:
            # The last state that was selected, at the revision of the change that took it out.
            version = str(change.revision)
            return Event(
                "DELETED",
                {**before, "metadata": {**before["metadata"], "resourceVersion": version}},
            )
        return None


def stream(store: Store, kind: Kind, namespace: str, query: Query) -> Stream:
    """Opens a watch; 400 and 422 for what cannot be asked, 410 for a revision that is forgotten."""
    matches = selected(kind, query)
    initial = _initial_events(query)
    since = number(query.get("resourceVersion") or "0", "resourceVersion")
    whole = initial if initial is not None else since == 0
    # A watch whose start is not said starts with what is there.
    trigger = trigger_of(kind, query)
    kept = store.list(kind, namespace, trigger=trigger) if whole else []
    start = store.revision if whole or since == 0 else since
    watcher = store.watch(kind, start, namespace=namespace, trigger=trigger)
    events = [Event("ADDED", each) for each in kept if matches(each)]
    if initial:
        events.append(Event("BOOKMARK", _bookmark(kind, start, initial_end=True)))
    return Stream(kind, watcher, matches, events)


def _initial_events(query: Query) -> bool | None:
    """sendInitialEvents, checked as metav1's ValidateListOptions does; None where it is not said."""
    said, match = query.get("sendInitialEvents"), query.get("resourceVersionMatch", "")
    if match != ("" if said is None else "NotOlderThan"):
        why = "sendInitialEvents and resourceVersionMatch=NotOlderThan go together"
        raise refused("resourceVersionMatch", why)
    return None if said is None else said.lower() in {"true", "1"}


def _bookmark(kind: Kind, revision: int, *, initial_end: bool) -> Object:
    metadata: Object = {"resourceVersion": str(revision), "creationTimestamp": None}
    if initial_end:
        metadata["annotations"] = {INITIAL_END: "true"}
    return {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
