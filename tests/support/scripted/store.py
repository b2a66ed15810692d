"""One store for every kind: raw objects by resource, namespace and name, with resourceVersions as in etcd.

It knows what an API server does to any object (names, uids, versions, preconditions, pages). What is peculiar
to one kind is said by whoever calls it.
"""

import base64
import binascii
import copy
import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kubevouch.clock import Clock
from tests.support.scripted import status
from tests.support.scripted.kinds import Kind

Object = dict[str, Any]
Where = tuple[str, str]  # namespace ("" for cluster-scoped) and name


@dataclass(frozen=True)
class Page:
    """A part of a list: objects, the version the whole list is of, and how to go on."""

    items: list[Object]
    resource_version: str
    token: str = ""
    remaining: int = 0


@dataclass(frozen=True)
class Change:
    """What happened to one object: None before it was made, None after it was deleted."""

    version: int
    kind: Kind
    before: Object | None
    after: Object | None


class Store:
    """Objects are copied on the way in and out: what lies here changes only through these methods."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._objects: dict[Kind, dict[Where, Object]] = {}
        self._version = itertools.count(1001)
        self._latest = 1000
        self._serial = itertools.count(1)
        self._snapshots: dict[str, list[Object]] = {}
        self._journal: list[Change] = []
        self._compacted = 0
        self.listeners: set[Callable[[], None]] = set()
        """Called after each change, and after compact()."""

    def create(self, kind: Kind, thing: Object, namespace: str = "") -> Object:
        """Stores it with uid, creationTimestamp and resourceVersion; a `generateName` gets its five characters."""
        thing = copy.deepcopy(thing)
        metadata = thing.setdefault("metadata", {})
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = f"{metadata['generateName']}{next(self._serial):05d}"
        name = metadata.get("name", "")
        if not name:
            cause = (
                "FieldValueRequired",
                "metadata.name",
                "Required value: name or generateName is required",
            )
            raise status.invalid(kind.group, kind.kind, "", [cause])
        if kind.namespaced:
            metadata["namespace"] = namespace or metadata.get("namespace", "default")
        where = (metadata.get("namespace", "") if kind.namespaced else "", name)
        if where in self._all(kind):
            raise status.already_exists(kind.group, kind.plural, name)
        metadata["uid"] = f"00000000-0000-4000-8000-{next(self._serial):012x}"
        metadata["creationTimestamp"] = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        return self._keep(kind, where, thing)

    def put(self, kind: Kind, thing: Object) -> Object:
        """Lays a recorded object in as it is: its own uid, times and resourceVersion. For tests that replay."""
        metadata = thing["metadata"]
        where = (metadata.get("namespace", "") if kind.namespaced else "", metadata["name"])
        self._all(kind)[where] = copy.deepcopy(thing)
        return thing

    def get(self, kind: Kind, name: str, namespace: str = "") -> Object:
        """A copy of it, or 404."""
        try:
            return copy.deepcopy(self._all(kind)[namespace, name])
        except KeyError:
            raise status.not_found(kind.group, kind.plural, name) from None

    def change(self, kind: Kind, where: Where, change: Callable[[Object], Object]) -> Object:
        """Replaces it by what `change` makes of it, if uid and resourceVersion in the answer are the stored ones.

        Both are preconditions only where they are given. What nothing changes keeps its resourceVersion.
        """
        namespace, name = where
        stored = self.get(kind, name, namespace)
        wanted = change(copy.deepcopy(stored))
        metadata, kept = wanted.setdefault("metadata", {}), stored["metadata"]
        if metadata.get("resourceVersion") not in (None, "", kept["resourceVersion"]):
            raise status.conflict(kind.group, kind.plural, name)
        _check_uid(kind, stored, metadata.get("uid", ""))
        for fixed in ("name", "namespace", "uid", "creationTimestamp", "resourceVersion"):
            metadata.pop(fixed, None)
            if fixed in kept:
                metadata[fixed] = kept[fixed]
        return stored if wanted == stored else self._keep(kind, where, wanted)

    def delete(self, kind: Kind, name: str, namespace: str = "", *, uid: str = "") -> Object:
        """Takes it out, or 404; with a uid that is not its own, 409."""
        gone = self.get(kind, name, namespace)
        _check_uid(kind, gone, uid)
        del self._all(kind)[namespace, name]
        self._latest = next(self._version)
        self._tell(Change(self._latest, kind, gone, None))
        return gone

    @property
    def version(self) -> int:
        """The latest."""
        return self._latest

    def since(self, kind: Kind, version: int) -> list[Change]:
        """What happened to objects of a kind after a version, in order; 410 if that is forgotten."""
        if version < self._compacted:
            text = f"too old resource version: {version} ({self._compacted})"
            raise status.expired(text)
        return [
            change for change in self._journal if change.version > version and change.kind is kind
        ]

    def page(
        self,
        kind: Kind,
        namespace: str,
        matches: Iterable[Callable[[Object], bool]],
        limit: int,
        token: str,
    ) -> Page:
        """A page of a list, in the order of names; the pages after the first are of the same moment as it."""
        if token:
            version, start, found = self._resumed(token)
        else:
            version, start, found = (
                str(self._latest),
                0,
                self._found(kind, namespace, tuple(matches)),
            )
        end = min(start + limit, len(found)) if limit else len(found)
        more = ""
        if end < len(found):
            more = base64.urlsafe_b64encode(json.dumps([version, end, id(found)]).encode()).decode()
            self._snapshots[more] = found
        return Page(found[start:end], version, more, len(found) - end)

    def compact(self) -> None:
        """Forgets old versions: every continue token given out until now, and every version to watch from, is a 410."""
        self._snapshots.clear()
        self._journal.clear()
        self._latest = self._compacted = next(self._version)
        self._notify()

    def _tell(self, change: Change) -> None:
        self._journal.append(change)
        self._notify()

    def _notify(self) -> None:
        for listener in tuple(self.listeners):
            listener()

    def _resumed(self, token: str) -> tuple[str, int, list[Object]]:
        try:
            version, start, _ = json.loads(base64.urlsafe_b64decode(token))
        except (ValueError, binascii.Error):
            raise status.bad_request("continue key is not valid") from None
        if token not in self._snapshots:
            raise status.expired()
        return version, start, self._snapshots[token]

    def _found(
        self, kind: Kind, namespace: str, matches: tuple[Callable[[Object], bool], ...]
    ) -> list[Object]:
        return [
            thing
            for (space, _), thing in sorted(self._all(kind).items())
            if (not namespace or space == namespace) and all(match(thing) for match in matches)
        ]

    def _all(self, kind: Kind) -> dict[Where, Object]:
        return self._objects.setdefault(kind, {})

    def _keep(self, kind: Kind, where: Where, thing: Object) -> Object:
        self._latest = next(self._version)
        thing["apiVersion"], thing["kind"] = kind.api_version, kind.kind
        thing["metadata"]["resourceVersion"] = str(self._latest)
        before = self._all(kind).get(where)
        self._all(kind)[where] = thing
        self._tell(Change(self._latest, kind, before, thing))
        return copy.deepcopy(thing)


def _check_uid(kind: Kind, stored: Object, uid: str) -> None:
    kept = stored["metadata"]["uid"]
    if uid not in ("", kept):
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {kept}"
        raise status.conflict(kind.group, kind.plural, stored["metadata"]["name"], why)
