"""What is peculiar to a kind when it is created or changed: the lab's form of Kubernetes' registry strategies.

A strategy is handed copies and may change them in place. What a kind refuses beyond `causes` is raised as a StatusError.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.apiserver.validation import Cause
from kubevouch_lab.objects import Object

# Whose metadata (labels, annotations, owners) may be changed through /status too.
_OPEN_STATUS = {"nodes", "pods", "namespaces", "services"}


@dataclass(frozen=True)
class Strategy:
    """The rules of a kind. Subclasses say what no table can.

    defaults: fills in, in place. required: paths at which something must stand. immutable: paths at which nothing
    changes. first_status: of a new object.
    """

    defaults: Callable[[Object], None] = lambda _: None
    required: tuple[str, ...] = ()
    immutable: tuple[str, ...] = ()
    first_status: str = ""
    returns_deleted: bool = False
    """registry.Store's ReturnDeletedObject: DELETE answers with the object instead of a Status."""
    unconditional_update: bool = True
    """AllowUnconditionalUpdate: a PUT needs no resourceVersion."""

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """What is kept of a body on create."""
        del info, now
        if kind.status:
            new.pop("status", None)
        if self.first_status:
            new["status"] = msgspec.json.decode(self.first_status)
        self.defaults(new)
        return new

    def update(
        self, kind: Kind, info: RequestInfo, old: Object, new: Object, now: datetime
    ) -> Object:
        """What is kept of a replacement, by the subresource of the request."""
        del now
        match info.subresource:
            case "":
                return self.main(kind, old, new)
            case "status" if kind.status:
                return self.status(kind, old, new)
        raise status.method_not_allowed(kind.group, kind.plural, info.verb)

    def shown(self, info: RequestInfo, thing: Object) -> Object:
        """What a subresource shows of the object; the object itself, but for a Scale."""
        del info
        return thing

    def taken(self, info: RequestInfo, old: Object, body: Object) -> Object:
        """The replacement that a body sent to a subresource means; the body itself, but for a Scale or a Binding."""
        del info, old
        return body

    def main(self, kind: Kind, old: Object, new: Object) -> Object:
        """Through the main path status stays, and the generation counts changes of the rest. Defaults are no change."""
        self.defaults(new)
        if kind.status:
            new = _with(new, "status", old.get("status"))
        if kind.generation and _desired(old) != _desired(new):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        return new

    def status(self, kind: Kind, old: Object, new: Object) -> Object:
        """Through /status nothing but status changes (and of some kinds the metadata)."""
        metadata = new["metadata"] if kind.plural in _OPEN_STATUS else old["metadata"]
        return _with({**old, "metadata": metadata}, "status", new.get("status"))

    def causes(self, kind: Kind, old: Object | None, new: Object) -> list[Cause]:
        """What makes it invalid, beside its metadata. old is None on create."""
        del kind
        causes: list[Cause] = [
            ("FieldValueRequired", path, "Required value")
            for path in self.required
            if not at(new, path)
        ]
        for path in self.immutable if old is not None else ():
            before, after = at(old, path), at(new, path)
            if before not in (None, "") and before != after:
                shown = msgspec.json.encode(after).decode()
                text = f"Invalid value: {shown}: field is immutable"
                causes.append(("FieldValueInvalid", path, text))
        return causes


def at(thing: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    """What stands at a dotted path, None if nothing does."""
    for step in path.split("."):
        thing = (thing or {}).get(step)
    return thing


def _with(thing: Object, key: str, value: Any) -> Object:  # noqa: ANN401 - JSON
    rest = {name: kept for name, kept in thing.items() if name != key}
    return rest if value is None else {**rest, key: value}


def _desired(thing: Object) -> Object:
    return {key: value for key, value in thing.items() if key not in {"metadata", "status"}}
