"""Kinds that are another form of stored ones: events.k8s.io/v1 Events are core Events under other names.

pkg/apis/events/v1/conversion.go.
"""

from dataclasses import dataclass

from kubevouch_lab.apiserver.kinds import KINDS, Kind
from kubevouch_lab.objects import Object

# events.k8s.io's name: core's.
_NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_BACK = {core: new for new, core in _NAMES.items()}


def from_core(event: Object) -> Object:
    """A core Event as events.k8s.io shows it."""
    renamed = {_BACK.get(key, key): value for key, value in event.items()}
    return {**renamed, "apiVersion": "events.k8s.io/v1"}


def to_core(event: Object) -> Object:
    """An events.k8s.io Event as it is kept."""
    renamed = {_NAMES.get(key, key): value for key, value in event.items()}
    return {**renamed, "apiVersion": "v1"}


@dataclass(frozen=True)
class Form:
    """A kind as a request names it (`kind`), over the kind whose objects are kept (`base`); mostly the same."""

    kind: Kind
    base: Kind

    def outward(self, thing: Object) -> Object:
        """A kept object as the request's kind shows it."""
        return thing if self.kind is self.base else from_core(thing)

    def inward(self, body: Object) -> Object:
        """A body of the request's kind as it is kept."""
        return body if self.kind is self.base else to_core(body)


def form_of(kind: Kind) -> Form:
    """The form in which a kind is kept."""
    return Form(kind, KINDS[kind.stored_as] if kind.stored_as else kind)
