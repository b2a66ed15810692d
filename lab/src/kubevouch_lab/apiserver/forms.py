"""Kinds that are another form of stored ones: events.k8s.io/v1 Events are core Events under other names.

pkg/apis/events/v1/conversion.go.
"""

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


def outward(kind: Kind, thing: Object) -> Object:
    """A kept object as the request's kind shows it."""
    if not kind.stored_as or thing.get("kind") != kind.kind:
        return thing
    renamed = {_BACK.get(key, key): value for key, value in thing.items()}
    return {**renamed, "apiVersion": kind.api_version}


def inward(kind: Kind, body: Object) -> Object:
    """A body of the request's kind as it is kept."""
    if not kind.stored_as:
        return body
    renamed = {_NAMES.get(key, key): value for key, value in body.items()}
    return {**renamed, "apiVersion": base_of(kind).api_version}


def base_of(kind: Kind) -> Kind:
    """The kind whose objects are kept for a kind; mostly itself."""
    return KINDS[kind.stored_as] if kind.stored_as else kind
