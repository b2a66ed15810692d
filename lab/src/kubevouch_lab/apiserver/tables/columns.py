"""Columns, and how a printer looks into an object."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubevouch_lab.apiserver.tables.ages import since
from kubevouch_lab.objects import ReadOnlyObject

Cell = str | int | bool
# An object and the time now give the cells, in the order of the columns.
Row = Callable[[ReadOnlyObject, datetime], list[Cell]]

NONE, UNSET = "<none>", "<unset>"


@dataclass(frozen=True)
class Column:
    """metav1.TableColumnDefinition. priority 1: only in the wide form."""

    name: str
    description: str
    type: str = "string"
    format: str = ""
    priority: int = 0

    def body(self) -> dict[str, Any]:
        """As the API server writes it."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


@dataclass(frozen=True)
class Printer:
    """How objects of one kind are printed."""

    columns: tuple[Column, ...]
    row: Row


def wide(name: str, description: str, type: str = "string") -> Column:  # noqa: A002 - the field's own word
    """A column of the wide form."""
    return Column(name, description, type, priority=1)


def number(name: str, description: str) -> Column:
    """A column of integers."""
    return Column(name, description, "integer")


NAME = Column("Name", "The name, unique within its namespace.", format="name")
AGE = Column("Age", "How long ago the API server created it.")


def name_of(thing: ReadOnlyObject) -> str:
    """The cell of metadata.name."""
    return text(thing, "metadata.name")


def age_of(thing: ReadOnlyObject, now: datetime) -> str:
    """The time since metadata.creationTimestamp."""
    return since(at(thing, "metadata.creationTimestamp"), now)


def at(thing: object, path: str) -> Any:  # noqa: ANN401 - a walk through decoded JSON
    """What stands at a dotted path, None if nothing does."""
    for step in path.split("."):
        if not isinstance(thing, Mapping):
            return None
        thing = thing.get(step)
    return thing


def text(thing: object, path: str) -> str:
    """The same as a text, empty if nothing is there."""
    found = at(thing, path)
    return "" if found is None else str(found)


def whole(thing: object, path: str) -> int:
    """The same as an integer, 0 if nothing is there."""
    found = at(thing, path)
    return found if isinstance(found, int) else 0


def items(thing: object, path: str) -> list[Any]:
    """The same as a list, empty if nothing is there."""
    found = at(thing, path)
    return found if isinstance(found, list) else []


def mapping(thing: object, path: str) -> Mapping[str, Any]:
    """The same as a mapping, empty if nothing is there."""
    found = at(thing, path)
    return found if isinstance(found, Mapping) else {}


def condition(thing: ReadOnlyObject, kind: str) -> Mapping[str, Any] | None:
    """The last of status.conditions with that type."""
    found = [one for one in items(thing, "status.conditions") if at(one, "type") == kind]
    return found[-1] if found else None


def labels(found: Mapping[str, Any]) -> str:
    """`a=b,c=d` by name, `<none>` for none (apimachinery's labels.FormatLabels)."""
    return ",".join(f"{key}={value}" for key, value in sorted(found.items())) or NONE


def selector(found: object) -> str:
    """A LabelSelector as its text: `a=b,c in (d,e),!f` by key (apimachinery's labels.Requirement.String).

    Raises ValueError for an operator that there is not.
    """
    terms = [(key, f"{key}={value}") for key, value in mapping(found, "matchLabels").items()]
    for one in items(found, "matchExpressions"):
        key, values = text(one, "key"), ",".join(sorted(map(str, items(one, "values"))))
        match text(one, "operator"):
            case "In":
                terms.append((key, f"{key} in ({values})"))
            case "NotIn":
                terms.append((key, f"{key} notin ({values})"))
            case "Exists":
                terms.append((key, key))
            case "DoesNotExist":
                terms.append((key, f"!{key}"))
            case operator:
                raise ValueError(operator)
    return ",".join(term for _, term in sorted(terms, key=lambda term: term[0]))


def formatted_selector(found: object) -> str:
    """The same, `<none>` for an empty one, `<error>` for a broken one (metav1.FormatLabelSelector)."""
    try:
        return selector(found) or NONE
    except ValueError:
        return "<error>"


def boolean(found: object) -> str:
    """`True`, `False`, `<unset>`."""
    return UNSET if found is None else str(bool(found))


def shortened(found: list[str], at_most: int, empty: str = "") -> str:
    """The first few, and how many more there are."""
    shown = ",".join(found[:at_most])
    if len(found) > at_most:
        return f"{shown} + {len(found) - at_most} more..."
    return shown or empty
