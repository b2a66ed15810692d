"""What is read in objects of every kind: conditions, and times as Kubernetes writes them."""

from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]


def condition(thing: Object, kind: str) -> Object | None:
    """The first condition of that type in an object's status."""
    conditions = (thing.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each.get("type") == kind), None)


def read_moment(text: str) -> datetime | None:
    """The moment that metav1.Time or MicroTime says; None for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found.astimezone(UTC) if found.tzinfo else None
