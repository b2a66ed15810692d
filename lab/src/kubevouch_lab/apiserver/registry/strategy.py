"""What is peculiar to a kind when it is created or changed: the lab's form of Kubernetes' registry strategies.

A strategy is handed copies and may change them in place. Defaults stand in defaults.py; what a kind refuses is
raised as a StatusError. Who brings a kind of his own brings a Strategy for it (server.py, Backends).
"""

from datetime import datetime
from typing import Any

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.apiserver.validation import Cause
from kubevouch_lab.objects import Object

# Whose metadata (labels, annotations, owners) may be changed through /status too.
_OPEN_STATUS = {"nodes", "pods", "namespaces", "services"}


class Strategy:
    """The rules that hold for every kind. Subclasses say what differs."""

    # registry.Store's ReturnDeletedObject: DELETE answers with the object instead of a Status.
    returns_deleted = False
    # AllowCreateOnUpdate: a PUT may create.
    creates_on_update = False
    # AllowUnconditionalUpdate: a PUT needs no resourceVersion.
    unconditional_update = True

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """What is kept of a body on create."""
        del info, now
        if kind.status:
            new.pop("status", None)
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

    def shown(self, kind: Kind, info: RequestInfo, thing: Object) -> Object:
        """What a subresource shows of the object; the object itself, but for a Scale."""
        del kind, info
        return thing

    def taken(self, kind: Kind, info: RequestInfo, old: Object, body: Object) -> Object:
        """The replacement that a body sent to a subresource means; the body itself, but for a Scale."""
        del kind, info, old
        return body

    def main(self, kind: Kind, old: Object, new: Object) -> Object:
        """Through the main path status stays, and the generation counts changes of the rest."""
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
        del kind, old, new
        return []

    def finalizers(self, thing: Object) -> list[str]:
        """Who must be done with it before it goes."""
        found: list[str] = thing["metadata"].get("finalizers") or []
        return found


def _with(thing: Object, key: str, value: Any) -> Object:  # noqa: ANN401 - JSON
    rest = {name: kept for name, kept in thing.items() if name != key}
    return rest if value is None else {**rest, key: value}


def _desired(thing: Object) -> Object:
    return {key: value for key, value in thing.items() if key not in {"metadata", "status"}}
