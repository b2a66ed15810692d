"""How an object goes: preconditions, finalizers, what it owns, and the contents of a namespace.

The real ones are several controllers (garbage collector, namespace controller) that take their time; here it is
done before the call returns, in the order they would keep.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kubevouch.clock import Clock
from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.kinds import EVENTS, KINDS, LEASES, NAMESPACES, Kind
from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.apiserver.registry.strategy import Strategy
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.objects import Object, name_of, namespace_of, uid_of

_POLICIES = ("Orphan", "Background", "Foreground")
_STORED = tuple(kind for kind in KINDS.values() if kind.stored and not kind.stored_as)
# They own nothing, and there are many of them.
_CHILDLESS = (EVENTS, LEASES)


@dataclass(frozen=True)
class Options:
    """metav1.DeleteOptions, the part that is honoured. uid and resource_version are preconditions where given."""

    propagation: str = "Background"
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False

    def check(self, kind: Kind, thing: Object) -> None:
        """409 where a precondition does not hold."""
        metadata = thing["metadata"]
        wanted = {"UID": self.uid, "ResourceVersion": self.resource_version}
        found = {"UID": metadata["uid"], "ResourceVersion": metadata["resourceVersion"]}
        for what, value in wanted.items():
            if value and value != found[what]:
                why = f"Precondition failed: {what} in precondition: {value}, {what} in object meta: {found[what]}"
                raise status.conflict(kind.group, kind.plural, metadata["name"], why)


def options(body: Any, query: Any) -> Options:  # noqa: ANN401 - decoded JSON, a query
    """Reads DeleteOptions from a body and, where that is silent, from the query; 422 for what it does not know."""
    body = body or {}
    conditions = body.get("preconditions") or {}
    propagation = body.get("propagationPolicy") or query.get("propagationPolicy") or "Background"
    if propagation not in _POLICIES:
        text = f'Unsupported value: "{propagation}": supported values: "Foreground", "Background", "Orphan", "nil"'
        cause = ("FieldValueNotSupported", "propagationPolicy", text)
        raise status.invalid("meta.k8s.io", "DeleteOptions", "", [cause])
    dry = "All" in (body.get("dryRun") or []) or query.get("dryRun") == "All"
    return Options(
        propagation, conditions.get("uid") or "", conditions.get("resourceVersion") or "", dry
    )


class Deletion:
    """Deletes from a store, and everything that has to follow."""

    def __init__(self, store: Store, clock: Clock, strategy: Callable[[Kind], Strategy]) -> None:
        self._store = store
        self._clock = clock
        self._strategy = strategy

    def delete(self, kind: Kind, thing: Object, how: Options) -> tuple[Object, bool]:
        """The object as it was last, and whether it is gone."""
        if how.propagation == "Orphan":
            self._orphan(thing)
        if kind is NAMESPACES:
            return self._empty(self._marked(kind, thing))
        if how.propagation == "Foreground":
            for child_kind, child in self._dependents(thing):
                self._delete_if_there(child_kind, child, how)
        if self._strategy(kind).finalizers(thing):
            return self._marked(kind, thing), False
        return self._remove(kind, thing), True

    def finished(self, kind: Kind, thing: Object) -> Object:
        """To be called after each update: takes out what only waited for its last finalizer."""
        if "deletionTimestamp" not in thing["metadata"] or self._strategy(kind).finalizers(thing):
            return thing
        if kind is NAMESPACES:
            self._close(thing)
            return self._store.find(kind, name_of(thing)) or thing
        return self._remove(kind, thing)

    def _remove(self, kind: Kind, thing: Object) -> Object:
        last = self._store.delete(kind, *_name(thing))
        if kind in _CHILDLESS:
            return last
        for child_kind, child in self._dependents(thing):
            self._drop_owner(child_kind, child, uid_of(thing))
        space = self._store.find(NAMESPACES, namespace_of(thing))
        if space and "deletionTimestamp" in space["metadata"]:
            self._close(space)
        return last

    def _drop_owner(self, kind: Kind, child: Object, uid: str) -> None:
        """One of its owners is gone: it goes too, unless another owner is there."""
        left = [each for each in child["metadata"]["ownerReferences"] if each.get("uid") != uid]
        if any(
            True for _ in self._owners({"metadata": {**child["metadata"], "ownerReferences": left}})
        ):
            self._store.update(kind, _with_metadata(child, ownerReferences=left))
        else:
            self._delete_if_there(kind, child, Options())

    def _orphan(self, thing: Object) -> None:
        uid = uid_of(thing)
        for kind, child in self._dependents(thing):
            left = [each for each in child["metadata"]["ownerReferences"] if each.get("uid") != uid]
            self._store.update(kind, _with_metadata(child, ownerReferences=left or None))

    def _empty(self, space: Object) -> tuple[Object, bool]:
        """Deletes what is in a namespace; the namespace goes with the last of it."""
        name = name_of(space)
        for kind in _STORED:
            if kind.namespaced:
                for thing in self._store.list(kind, name):
                    self._delete_if_there(kind, thing, Options())
        current = self._store.find(NAMESPACES, name)
        if current is not None:
            self._close(current)
        current = self._store.find(NAMESPACES, name)
        return (current, False) if current else (space, True)

    def _close(self, space: Object) -> None:
        name = name_of(space)
        kept = any(self._store.count(kind, name) for kind in _STORED if kind.namespaced)
        if not kept and not space["metadata"].get("finalizers"):
            self._store.delete(NAMESPACES, name)

    def _marked(self, kind: Kind, thing: Object) -> Object:
        metadata = thing["metadata"]
        if "deletionTimestamp" in metadata:
            return thing
        changes: Object = {
            "deletionTimestamp": moment(self._clock.now()),
            "deletionGracePeriodSeconds": 0,
        }
        if kind.generation:
            changes["generation"] = metadata.get("generation", 0) + 1
        marked = _with_metadata(thing, **changes)
        if kind is NAMESPACES:
            del marked["metadata"]["deletionGracePeriodSeconds"]
            marked = {**marked, "status": {**marked.get("status", {}), "phase": "Terminating"}}
        return self._store.update(kind, marked)

    def _delete_if_there(self, kind: Kind, thing: Object, how: Options) -> None:
        current = self._store.find(kind, *_name(thing))
        if current is not None and uid_of(current) == uid_of(thing):
            self.delete(kind, current, how)

    def _dependents(self, thing: Object) -> list[tuple[Kind, Object]]:
        uid, space = uid_of(thing), namespace_of(thing)
        return [
            (kind, each)
            for kind in _STORED
            for each in self._store.list(kind, space if kind.namespaced else "")
            if any(ref.get("uid") == uid for ref in each["metadata"].get("ownerReferences") or ())
        ]

    def _owners(self, thing: Object) -> Iterator[tuple[Kind, Object]]:
        space = namespace_of(thing)
        for ref in thing["metadata"].get("ownerReferences") or ():
            kind = _BY_REFERENCE.get((ref.get("apiVersion"), ref.get("kind")))
            if kind is None:
                continue
            owner = self._store.find(kind, ref.get("name", ""), space if kind.namespaced else "")
            if owner and uid_of(owner) == ref.get("uid"):
                yield kind, owner


_BY_REFERENCE = {(kind.api_version, kind.kind): kind for kind in _STORED}


def _name(thing: Object) -> tuple[str, str]:
    metadata = thing["metadata"]
    return metadata["name"], metadata.get("namespace", "")


def _with_metadata(thing: Object, **changes: Any) -> Object:  # noqa: ANN401 - JSON
    metadata = {**thing["metadata"], **changes}
    return {
        **thing,
        "metadata": {key: value for key, value in metadata.items() if value is not None},
    }
