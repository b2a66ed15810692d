"""What is there: every object of every kind, and one counter of revisions for all.

It knows nothing of verbs, users or the peculiarities of a kind; see
rest.py for those, and history.py for what happened.

Objects that come out are shared, not copied: read them, copy before changing. What goes in is copied.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import msgspec

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.history import (
    EVERYTHING,
    WINDOW,
    Change,
    History,
    Trigger,
    Watcher,
    Where,
    node_of,
)
from kubevouch_lab.apiserver.journal import StoreJournal
from kubevouch_lab.apiserver.kinds import KINDS, PODS, Kind
from kubevouch_lab.objects import Object, Objects

_FIRST_REVISION = 100


class Store:
    """Synchronous; belongs to one event loop. journal: where it is kept, see journal.py; without one, nowhere."""

    def __init__(self, journal: StoreJournal | None = None, *, window: int = WINDOW) -> None:
        self._journal = journal or StoreJournal(Path(":memory:"))
        self._objects: dict[Kind, dict[Where, Object]] = defaultdict(dict)
        self._count = 0
        self._on_node: dict[str, set[Where]] = defaultdict(set)
        for key, where, thing in self._journal.objects():
            if kind := KINDS.get(key):
                self._place(kind, where, None, thing)
        # What was before is not kept: nothing of it can be told.
        self._history = History(max(_FIRST_REVISION, self._journal.revision()), window)

    @property
    def revision(self) -> int:
        """Of the last change."""
        return self._history.revision

    @property
    def compacted(self) -> int:
        """Nothing before it can be listed or watched from."""
        return self._history.compacted

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

    def pods_of(self, node: str, namespace: str = "") -> Objects:
        """The pods bound to a node, in that order; of "" those that are bound to none. No other pod is looked at."""
        return self.list(PODS, namespace, trigger=("spec.nodeName", node))

    def _places(self, kind: Kind, namespace: str, trigger: Trigger) -> Iterable[Where]:
        field, value = trigger
        kept = self._objects[kind]
        if field == "spec.nodeName" and kind is PODS:
            return self._on_node.get(value, ())
        if field == "metadata.name" and (namespace or not kind.namespaced):
            return [where for where in ((namespace, value),) if where in kept]
        return kept

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
        revision = self.revision + 1
        last = _at_revision(before, revision)
        self._journal.forget(_key(kind), where, revision)
        self._place(kind, where, before, None)
        self._history.tell(Change(revision, kind, where, before, None, last), self._count)
        return last

    def watch(
        self,
        kind: Kind,
        since: int | None = None,
        *,
        namespace: str = "",
        trigger: Trigger = EVERYTHING,
    ) -> Watcher:
        """What happens after a revision (None: after now); 410 for one that is forgotten.

        trigger: ("metadata.name", "n1") or, of pods, ("spec.nodeName", "n1"), so that thousands who each watch their
        own are not all woken by each change; who waits for anything else selects for himself. Give the watcher back
        with `close`, or use it in a `with`.
        """
        since = self.revision if since is None else since
        return self._history.watch(kind, since, namespace, trigger)

    def compact(self) -> None:
        """Forgets what happened until now: older watches and continue tokens are answered with 410."""
        self._history.compact()

    def stop_watches(self) -> None:
        """Ends every watch, as an API server does that goes down."""
        self._history.close()

    def close(self) -> None:
        """Ends the watches and gives the file back."""
        self.stop_watches()
        self._journal.close()

    def _keep(self, kind: Kind, where: Where, before: Object | None, thing: Object) -> Object:
        revision = self.revision + 1
        raw = msgspec.json.encode(_at_revision(thing, revision))
        kept: Object = msgspec.json.decode(raw)
        self._journal.keep(_key(kind), where, revision, raw)
        self._place(kind, where, before, kept)
        change = Change(revision, kind, where, before, kept, kept, len(raw))
        self._history.tell(change, self._count)
        return kept

    def _place(self, kind: Kind, where: Where, before: Object | None, after: Object | None) -> None:
        if kind is PODS:
            if before is not None:
                self._on_node[node_of(before)].discard(where)
            if after is not None:
                self._on_node[node_of(after)].add(where)
        self._count += (after is not None) - (before is not None)
        if after is None:
            del self._objects[kind][where]
        else:
            self._objects[kind][where] = after


def _key(kind: Kind) -> tuple[str, str, str]:
    return kind.group, kind.version, kind.plural


def _where(kind: Kind, thing: Object) -> Where:
    metadata = thing["metadata"]
    return metadata["namespace"] if kind.namespaced else "", metadata["name"]


def _at_revision(thing: Object, revision: int) -> Object:
    return {**thing, "metadata": {**thing["metadata"], "resourceVersion": str(revision)}}
