"""Events of events.k8s.io/v1."""

import re
from datetime import datetime
from typing import Any

from kubevouch.kube.resources.meta import Object, Resource, micro_time


class Event(Object, frozen=True, kw_only=True):
    """An Event of events.k8s.io/v1. Events are written and never read: whoever has a node's identity may write them, too."""


EVENTS = Resource("events.k8s.io", "v1", "events", "Event", Event, namespaced=True)


def event(
    about: Object,
    resource: Resource[Any],
    *,
    warning: bool,
    reason: str,
    action: str,
    note: str,
    at: datetime,
    instance: str,
) -> dict[str, Any]:
    """The body of an Event about an object; about a cluster-scoped one it goes to the namespace `default`.

    reason and action: words such as Approved, Approve; at most 128 characters. note: at most 1 kB.
    instance: the reporting process. Limits: pkg/apis/core/validation/events.go.
    """
    return {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {
            "generateName": f"{_prefix_of(about.name)}-",
            "namespace": about.namespace or "default",
        },
        "eventTime": micro_time(at),
        "type": "Warning" if warning else "Normal",
        "reason": reason,
        "action": action,
        "note": note.encode()[:1023].decode(errors="ignore"),
        "regarding": {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "name": about.name,
            "uid": about.uid,
            **({"namespace": about.namespace} if about.namespace else {}),
        },
        "reportingController": "kubevouch",
        "reportingInstance": instance[:128],
    }


def _prefix_of(name: str) -> str:
    """What the name of an Event begins with. CSRs may have any name, Events may not; a dash is all that may end it."""
    return re.sub("[^a-z0-9]+", "-", name.lower())[:50].strip("-") or "unnamed"


def bounded_note(text: str, most: int) -> str:
    """The text on one line, in at most so many bytes of UTF-8, with dots where it was cut."""
    line = text
    if not text.isprintable():
        line = "".join(each if each.isprintable() else "?" for each in text)
    raw = line.encode()
    return line if len(raw) <= most else raw[: most - 3].decode(errors="ignore") + "..."
