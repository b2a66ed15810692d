"""What is read in objects of every kind: conditions, and times as Kubernetes writes them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
"""An object of the API as JSON: keys as the wire has them."""

ReadOnlyObject = Mapping[str, Any]
"""The same, for who only looks at it."""

Objects = list[Object]


def name_of(thing: ReadOnlyObject) -> str:
    """The object's metadata.name."""
    return str(thing["metadata"]["name"])


def namespace_of(thing: ReadOnlyObject) -> str:
    """metadata.namespace, "" for what is in none."""
    return str(thing["metadata"].get("namespace", ""))


def uid_of(thing: ReadOnlyObject) -> str:
    """The object's metadata.uid."""
    return str(thing["metadata"]["uid"])


def labels_of(thing: ReadOnlyObject) -> Mapping[str, str]:
    """metadata.labels; empty if they are missing or null."""
    found: Mapping[str, str] = thing["metadata"].get("labels") or {}
    return found


def annotations_of(thing: ReadOnlyObject) -> Mapping[str, str]:
    """metadata.annotations; empty if they are missing or null."""
    found: Mapping[str, str] = thing["metadata"].get("annotations") or {}
    return found


def status_of(thing: ReadOnlyObject) -> Object:
    """Its status; an empty one, which is not kept, if it is missing or null. For reading only."""
    found: Object = thing.get("status") or {}
    return found


def condition(thing: Object, kind: str) -> Object | None:
    """The first condition of that type in an object's status."""
    conditions = status_of(thing).get("conditions") or []
    return next((each for each in conditions if each.get("type") == kind), None)


def read_moment(text: str) -> datetime | None:
    """The moment that metav1.Time or MicroTime says; None for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found.astimezone(UTC) if found.tzinfo else None


def ip_family(address: str) -> str:
    """As Services and EndpointSlices call it."""
    return "IPv6" if ":" in address else "IPv4"


def bracketed(host: str) -> str:
    """An address or a name as it stands before a colon and a port."""
    return f"[{host}]" if ":" in host else host
