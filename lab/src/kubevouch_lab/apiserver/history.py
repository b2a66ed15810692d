"""What happened lately, and who waits for what happens: the watch cache of the store.

apiserver's pkg/storage/cacher: a watch goes on from any revision that is still remembered, what is older is a 410.
"""

import asyncio
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import islice
from typing import Self

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.kinds import PODS, Kind
from kubevouch_lab.objects import Object

Where = tuple[str, str]  # namespace ("" for cluster-scoped) and name
Trigger = tuple[str, str]  # a field and its value

# How far a watch may be behind before it is told to list again: so many changes, and as many bytes of JSON as this or,
# in a large cluster, so many for each object. (The real watch cache counts, too; its etcd keeps five minutes.)
WINDOW = 10_000
WINDOW_BYTES = 2 * 1024 * 1024
WINDOW_BYTES_EACH = 2048
# A watcher that does not read is cut off; apiserver does the same ("forceCloseWatcher").
BACKLOG = 20_000
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


class History:
    """Changes in their order, and the watchers. revision: of the last one; compacted: nothing before it is known."""

    def __init__(self, revision: int, window: int = WINDOW) -> None:
        self.revision = revision
        self.compacted = revision
        self._changes: deque[Change] = deque()
        self._bytes = 0
        self._window = window
        self._watchers: dict[Kind, dict[Trigger, set[Watcher]]] = defaultdict(
            lambda: defaultdict(set)
        )

    def tell(self, change: Change, objects: int) -> None:
        """The next change; objects: how many are kept in all, by which the memory is measured."""
        self.revision = change.revision
        self._changes.append(change)
        self._bytes += change.size
        most = max(WINDOW_BYTES, WINDOW_BYTES_EACH * objects)
        while len(self._changes) > self._window or self._bytes > most:
            forgotten = self._changes.popleft()
            self._bytes -= forgotten.size
            self.compacted = forgotten.revision
        waiting = self._watchers[change.kind]
        for trigger in _triggers(change):
            for watcher in list(waiting.get(trigger, ())):
                watcher.offer(change)

    def watch(self, kind: Kind, since: int, namespace: str, trigger: Trigger) -> "Watcher":
        """Opens a watch from a revision; 410 for one that is forgotten."""
        if since < self.compacted:
            raise status.expired(f"too old resource version: {since} ({self.compacted})")
        watcher = Watcher(self, kind, namespace, trigger, since)
        if since < self.revision:
            start = bisect_right(self._changes, since, key=lambda change: change.revision)
            for change in islice(self._changes, start, None):
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
        """Forgets all changes."""
        self._changes.clear()
        self._bytes = 0
        self.compacted = self.revision

    def close(self) -> None:
        """Ends every watch."""
        kinds = self._watchers.values()
        for watcher in [each for kind in kinds for some in kind.values() for each in some]:
            watcher.close()


class Watcher:
    """Changes of one kind in their order, as an async iterator that ends when it is closed."""

    def __init__(
        self, history: History, kind: Kind, namespace: str, trigger: Trigger, since: int
    ) -> None:
        self._history = history
        self._kind = kind
        self._namespace = namespace
        self._trigger = trigger
        self._since = since
        self._waiting: deque[Change] = deque()
        self._more = asyncio.Event()
        self._closed = False

    def offer(self, change: Change) -> None:
        """Hands over a change, if it is one that this watcher wants (the history's part)."""
        if self._namespace not in {"", change.where[0]} or change.revision <= self._since:
            return
        self._waiting.append(change)
        self._more.set()
        if len(self._waiting) > BACKLOG:
            self.close()

    def close(self) -> None:
        """Ends it: what waits is still given out."""
        self._closed = True
        self._history.forget_watcher(self._kind, self._trigger, self)
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
        return max(self._since, self._history.revision)


def _triggers(change: Change) -> set[Trigger]:
    """Who is to hear of it."""
    found = {EVERYTHING, ("metadata.name", change.where[1])}
    if change.kind is PODS:
        for pod in (change.before, change.after):
            if pod is not None:
                found.add(("spec.nodeName", node_of(pod)))
    return found


def node_of(pod: Object) -> str:
    """The node that a pod is bound to, or an empty string."""
    name: str = pod.get("spec", {}).get("nodeName", "")
    return name
