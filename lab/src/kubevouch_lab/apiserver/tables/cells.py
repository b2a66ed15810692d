"""What stands in a cell: a walk through an object, ages and selectors as Go prints them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kubevouch_lab.objects import ReadOnlyObject, read_moment

Cell = str | int | bool
NONE, UNSET, UNKNOWN = "<none>", "<unset>", "<unknown>"
_SECOND, _MINUTE, _HOUR, _DAY, _YEAR = 1, 60, 3600, 86400, 365 * 86400
# Below how many seconds which units: the second one only if it is not zero.
_UNITS: tuple[tuple[int, int, str, int, str], ...] = (
    (2 * _MINUTE, _SECOND, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", _SECOND, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
)


def human_duration(seconds: float) -> str:
    """`98s`, `2m50s`, `3h5m`, `2y12d`; `<invalid>` below -1 second (apimachinery's duration.HumanDuration)."""
    whole = int(seconds)
    if whole < 0:
        return "0s" if whole == -1 else "<invalid>"
    for below, unit, letter, smaller, smaller_letter in _UNITS:
        if whole < below:
            rest = whole % unit // smaller if smaller else 0
            return f"{whole // unit}{letter}" + (f"{rest}{smaller_letter}" if rest else "")
    return f"{whole // _YEAR}y"


def since(moment: object, now: datetime) -> str:
    """The age of a timestamp, `<unknown>` without one."""
    then = read_moment(str(moment))
    return UNKNOWN if then is None else human_duration((now - then).total_seconds())


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


def condition(thing: ReadOnlyObject, kind: str) -> str:
    """The status of the last condition of that type, empty without one."""
    found = [one for one in items(thing, "status.conditions") if at(one, "type") == kind]
    return text(found[-1], "status") if found else ""


def labels(found: Mapping[str, Any]) -> str:
    """`a=b,c=d` by name, `<none>` for none (apimachinery's labels.FormatLabels)."""
    return ",".join(f"{key}={value}" for key, value in sorted(found.items())) or NONE


def shortened(found: list[str], empty: str) -> str:
    """The first three, and how many more there are."""
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return ",".join(found[:3]) + more or empty
