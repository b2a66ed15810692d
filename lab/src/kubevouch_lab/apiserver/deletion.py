"""How an object goes: preconditions, then what it owns and, with a namespace, what is in it.

The real ones are several controllers (garbage collector, namespace controller) that take their time; here it is
done before the call returns. So nothing is ever on its way out, and there are no finalizers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.kinds import EVENTS, KINDS, LEASES, NAMESPACES, Kind, kind_of
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.objects import Object, name_of, namespace_of, uid_of

_POLICIES = ("Background", "Foreground")
_STORED = tuple(kind for kind in KINDS.values() if kind.stored and not kind.stored_as)
# They own nothing, and there are many of them.
_CHILDLESS = (EVENTS, LEASES)


@dataclass(frozen=True)
class Options:
    """metav1.DeleteOptions, the part that is honoured. uid and resource_version are preconditions where given."""

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
        text = f'Unsupported value: "{propagation}": supported values: "Foreground", "Background"'
        cause = ("FieldValueNotSupported", "propagationPolicy", text)
        raise status.invalid("meta.k8s.io", "DeleteOptions", "", [cause])
    dry = "All" in (body.get("dryRun") or []) or query.get("dryRun") == "All"
    return Options(conditions.get("uid") or "", conditions.get("resourceVersion") or "", dry)


def delete(store: Store, kind: Kind, thing: Object) -> Object:
    """Takes an object out, and all that has to follow; the object as it was last."""
    if kind is NAMESPACES:
        for inner in _STORED:
            for each in store.list(inner, name_of(thing)) if inner.namespaced else ():
                _delete_if_there(store, inner, each)
    last = store.delete(kind, name_of(thing), namespace_of(thing))
    if kind not in _CHILDLESS:
        for child_kind, child in _dependents(store, thing):
            _drop_owner(store, child_kind, child, uid_of(thing))
    return last


def _drop_owner(store: Store, kind: Kind, child: Object, uid: str) -> None:
    """One of its owners is gone: it goes too, unless another owner is there."""
    metadata = child["metadata"]
    left = [each for each in metadata["ownerReferences"] if each.get("uid") != uid]
    if any(_owners(store, namespace_of(child), left)):
        store.update(kind, {**child, "metadata": {**metadata, "ownerReferences": left}})
    else:
        _delete_if_there(store, kind, child)


def _delete_if_there(store: Store, kind: Kind, thing: Object) -> None:
    current = store.find(kind, name_of(thing), namespace_of(thing))
    if current is not None and uid_of(current) == uid_of(thing):
        delete(store, kind, current)


def _dependents(store: Store, thing: Object) -> list[tuple[Kind, Object]]:
    uid, space = uid_of(thing), namespace_of(thing)
    return [
        (kind, each)
        for kind in _STORED
        for each in store.list(kind, space if kind.namespaced else "")
        if any(ref.get("uid") == uid for ref in each["metadata"].get("ownerReferences") or ())
    ]


def _owners(store: Store, space: str, references: list[Object]) -> Iterator[Object]:
    for ref in references:
        kind = kind_of(ref.get("apiVersion", ""), ref.get("kind", ""))
        if kind is None:
            continue
        owner = store.find(kind, ref.get("name", ""), space if kind.namespaced else "")
        if owner and uid_of(owner) == ref.get("uid"):
            yield owner
