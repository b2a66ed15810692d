"""What is there: every object of every kind, one counter of revisions for all, and what happened lately.

As etcd and apiserver's watch cache together: a list is of one revision, a watch goes on from any revision that is
still remembered, what is older is answered with 410. It knows nothing of verbs, users or the peculiarities of a
kind; see rest.py for those.

Objects that come out are shared, not copied: read them, copy before changing. What goes in is copied.
"""

import asyncio
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, Self

import msgspec

from kubevouch.lab.apiserver import status
from kubevouch.lab.apiserver.journal import Journal, NoJournal
from kubevouch.lab.apiserver.kinds import KINDS, PODS, Kind

Object = dict[str, Any]
Objects = list[Object]
Where = tuple[str, str]  # namespace ("" for cluster-scoped) and name
Trigger = tuple[str, str]  # a field and its value
EventType = Literal["ADDED", "MODIFIED", "DELETED"]

# How far a watch may be behind before it is told to list again: so many changes, and as many bytes of JSON as this or,
# in a large cluster, so many for each object. (The real watch cache counts, too; its etcd keeps five minutes.)
WINDOW = 10_000
WINDOW_BYTES = 2 * 1024 * 1024
WINDOW_BYTES_EACH = 2048
# A watcher that does not read is cut off; apiserver does the same ("forceCloseWatcher").
BACKLOG = 20_000
_FIRST_REVISION = 100
EVERYTHING: Trigger = ("", "")


@dataclass(frozen=True, slots=True)
class Change:
    """One write. before is None for a create; after is None for a delete; `last` is the object as an event shows it.

    size: bytes of its JSON, roughly what remembering it costs.
    """

    revision: int
    kind: Kind
    where: Where
    before: Object | None
    after: Object | None
    last: Object
    size: int = 0

    @property
    def type(self) -> EventType:
        """As a watch calls it that selects everything."""
        if self.after is None:
            return "DELETED"
        return "ADDED" if self.before is None else "MODIFIED"


class Store:
    """Synchronous; belongs to one event loop. journal: where it is kept, see journal.py; without one, nowhere."""

    def __init__(self, journal: Journal | None = None, *, window: int = WINDOW) -> None:
        self._journal: Journal | NoJournal = journal or NoJournal()
        self._objects: dict[Kind, dict[Where, Object]] = defaultdict(dict)
        self._history: deque[Change] = deque()
        self._window = window
        self._history_bytes = 0
        self._watchers: dict[Kind, dict[Trigger, set[Watcher]]] = defaultdict(
            lambda: defaultdict(set)
        )
        self.revision = _FIRST_REVISION
        self._on_node: dict[str, set[Where]] = defaultdict(set)
        for key, where, thing in self._journal.objects():
            if kind := KINDS.get(key):
                self._place(kind, where, None, thing)
        self.revision = max(self.revision, self._journal.revision())
        # Nothing before this can be told: it was not kept, or it was forgotten.
        self.compacted = self.revision

    def get(self, kind: Kind, name: str, namespace: str = "") -> Object:
        """It, or 404."""
        thing = self._objects[kind].get((namespace, name))
        if thing is None:
            raise status.not_found(kind.group, kind.plural, name)
        return thing

    def find(self, kind: Kind, name: str, namespace: str = "") -> Object | None:
        """It, or None."""
        return self._objects[kind].get((namespace, name))

    def list(self, kind: Kind, namespace: str = "", *, trigger: Trigger = EVERYTHING) -> Objects:
        """All of a kind (and namespace, if given) as they are now, in the order of namespace and name.

        trigger: see `watch`; those that it can stand for, and perhaps some more.
        """
        kept = self._objects[kind]
        places = self._places(kind, namespace, trigger)
        return [kept[where] for where in sorted(places) if not namespace or where[0] == namespace]

    def _places(self, kind: Kind, namespace: str, trigger: Trigger) -> Iterable[Where]:
        field, value = trigger
        kept = self._objects[kind]
        if field == "spec.nodeName" and kind is PODS:
            return self._on_node.get(value, ())
        if field == "metadata.name" and (namespace or not kind.namespaced):
            return [where for where in ((namespace, value),) if where in kept]
        return kept

    def count(self, kind: Kind, namespace: str = "") -> int:
        """How many there are."""
        kept = self._objects[kind]
        return sum(1 for space, _ in kept if space == namespace) if namespace else len(kept)

    def create(self, kind: Kind, thing: Object) -> Object:
        """Keeps a new one under its metadata's namespace and name; 409 if the place is taken."""
        where = _where(kind, thing)
        if where in self._objects[kind]:
            raise status.already_exists(kind.group, kind.plural, where[1])
        return self._keep(kind, where, None, thing)

    def update(self, kind: Kind, thing: Object, *, expected: str = "") -> Object:
        """Replaces it; 404 if it is gone, 409 if its resourceVersion is no longer the expected one.

        What is equal to the stored one keeps its resourceVersion, and no watch hears of it.
        """
        where = _where(kind, thing)
        before = self.get(kind, where[1], where[0])
        version = before["metadata"]["resourceVersion"]
        if expected not in {"", version}:
            raise status.conflict(kind.group, kind.plural, where[1])
        thing = {**thing, "metadata": {**thing["metadata"], "resourceVersion": version}}
        return before if thing == before else self._keep(kind, where, before, thing)

    def delete(self, kind: Kind, name: str, namespace: str = "") -> Object:
        """Takes it out, or 404. What comes back bears the revision of its end, as the event of a watch does."""
        before = self.get(kind, name, namespace)
        where = (namespace, name)
        self.revision += 1
        last = _at_revision(before, self.revision)
        self._place(kind, where, before, None)
        self._journal.forget(_key(kind), where, self.revision)
        self._tell(Change(self.revision, kind, where, before, None, last))
        return last

    def as_of(
        self, kind: Kind, namespace: str, revision: int, *, trigger: Trigger = EVERYTHING
    ) -> Objects:
        """The list as it was at a revision, in order; 410 for one that is forgotten."""
        if revision < self.compacted:
            raise status.expired()
        if revision >= self.revision:
            return self.list(kind, namespace, trigger=trigger)
        then = dict(self._objects[kind])
        for change in reversed(self._history):
            if change.revision <= revision:
                break
            if change.kind is not kind:
                continue
            if change.before is None:
                then.pop(change.where, None)
            else:
                then[change.where] = change.before
        return [
            thing
            for (space, _), thing in sorted(then.items(), key=_by_where)
            if not namespace or space == namespace
        ]

    def watch(
        self,
        kind: Kind,
        since: int | None = None,
        *,
        namespace: str = "",
        trigger: Trigger = EVERYTHING,
    ) -> "Watcher":
        """What happens after a revision (None: after now); 410 for one that is forgotten.

        trigger: ("metadata.name", "n1") or, of pods, ("spec.nodeName", "n1"), so that thousands who each watch their
        own are not all woken by each change; who waits for anything else selects for himself. Give the watcher back
        with `close`, or use it in a `with`.
        """
        since = self.revision if since is None else since
        if since < self.compacted:
            raise status.expired(f"too old resource version: {since} ({self.compacted})")
        watcher = Watcher(self, kind, namespace, trigger, since)
        if since < self.revision:
            start = bisect_right(self._history, since, key=lambda change: change.revision)
            for change in islice(self._history, start, None):
                if change.kind is kind and trigger in _triggers(change):
                    watcher.offer(change)
        self._watchers[kind][trigger].add(watcher)
        return watcher

    def forget_watcher(self, kind: Kind, trigger: Trigger, watcher: "Watcher") -> None:
        """A watcher that is closed hears no more."""
        waiting = self._watchers[kind]
        waiting[trigger].discard(watcher)
        if not waiting[trigger]:
            del waiting[trigger]

    def compact(self) -> None:
        """Forgets what happened until now: older watches and continue tokens are answered with 410."""
        self._history.clear()
        self._history_bytes = 0
        self.compacted = self.revision

    def stop_watches(self) -> None:
        """Ends every watch, as an API server does that goes down."""
        kinds = self._watchers.values()
        for watcher in [each for kind in kinds for some in kind.values() for each in some]:
            watcher.close()

    def close(self) -> None:
        """Ends the watches and gives the file back."""
        self.stop_watches()
        self._journal.close()

    def _keep(self, kind: Kind, where: Where, before: Object | None, thing: Object) -> Object:
        self.revision += 1
        raw = msgspec.json.encode(_at_revision(thing, self.revision))
        kept: Object = msgspec.json.decode(raw)
        self._journal.keep(_key(kind), where, self.revision, raw)
        self._place(kind, where, before, kept)
        self._tell(Change(self.revision, kind, where, before, kept, kept, len(raw)))
        return kept

    def _place(self, kind: Kind, where: Where, before: Object | None, after: Object | None) -> None:
        if kind is PODS:
            if before is not None:
                self._on_node[_node(before)].discard(where)
            if after is not None:
                self._on_node[_node(after)].add(where)
        if after is None:
            del self._objects[kind][where]
        else:
            self._objects[kind][where] = after

    def _tell(self, change: Change) -> None:
        self._remember(change)
        waiting = self._watchers[change.kind]
        for trigger in _triggers(change):
            for watcher in list(waiting.get(trigger, ())):
                watcher.offer(change)

    def _remember(self, change: Change) -> None:
        self._history.append(change)
        self._history_bytes += change.size
        kept = sum(len(some) for some in self._objects.values())
        most = max(WINDOW_BYTES, WINDOW_BYTES_EACH * kept)
        while len(self._history) > self._window or self._history_bytes > most:
            forgotten = self._history.popleft()
            self._history_bytes -= forgotten.size
            self.compacted = forgotten.revision


def _triggers(change: Change) -> set[Trigger]:
    """Who is to hear of it."""
    found = {EVERYTHING, ("metadata.name", change.where[1])}
    if change.kind is PODS:
        for pod in (change.before, change.after):
            if pod is not None:
                found.add(("spec.nodeName", _node(pod)))
    return found


def _node(pod: Object) -> str:
    name: str = pod.get("spec", {}).get("nodeName", "")
    return name


class Watcher:
    """Changes of one kind in their order, as an async iterator that ends when it is closed."""

    def __init__(
        self, store: Store, kind: Kind, namespace: str, trigger: Trigger, since: int
    ) -> None:
        self._store = store
        self._kind = kind
        self._namespace = namespace
        self._trigger = trigger
        self._since = since
        self._waiting: deque[Change] = deque()
        self._more = asyncio.Event()
        self._closed = False

    def offer(self, change: Change) -> None:
        """Hands over a change, if it is one that this watcher wants (the store's part)."""
        if self._namespace not in {"", change.where[0]} or change.revision <= self._since:
            return
        self._waiting.append(change)
        self._more.set()
        if len(self._waiting) > BACKLOG:
            self.close()

    def close(self) -> None:
        """Ends it: what waits is still given out."""
        self._closed = True
        self._store.forget_watcher(self._kind, self._trigger, self)
        self._more.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> AsyncIterator[Change]:
        return self

    async def __anext__(self) -> Change:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._more.clear()
            await self._more.wait()
        return self._waiting.popleft()

    def waiting(self) -> tuple[Change, ...]:
        """What has happened and was not given out yet."""
        return tuple(self._waiting)

    @property
    def revision(self) -> int:
        """Up to where everything has been given out."""
        if self._waiting:
            return max(self._since, self._waiting[0].revision - 1)
        return max(self._since, self._store.revision)


def _by_where(item: tuple[Where, Object]) -> Where:
    return item[0]


def _key(kind: Kind) -> tuple[str, str, str]:
    return kind.group, kind.version, kind.plural


def _where(kind: Kind, thing: Object) -> Where:
    metadata = thing["metadata"]
    return metadata["namespace"] if kind.namespaced else "", metadata["name"]


def _at_revision(thing: Object, revision: int) -> Object:
    return {**thing, "metadata": {**thing["metadata"], "resourceVersion": str(revision)}}
