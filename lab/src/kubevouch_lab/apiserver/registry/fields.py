"""Small words of the registries: what a field that is wrong is called."""

from typing import Any

import msgspec

from kubevouch_lab.apiserver.validation import Cause
from kubevouch_lab.objects import Object


def required(field: str, why: str = "") -> Cause:
    """A field that is missing."""
    return "FieldValueRequired", field, "Required value" + (f": {why}" if why else "")


def refused(field: str, value: Any, why: str) -> Cause:  # noqa: ANN401 - JSON
    """A value that is not valid."""
    return (
        "FieldValueInvalid",
        field,
        f"Invalid value: {msgspec.json.encode(value).decode()}: {why}",
    )


def forbidden(field: str, why: str) -> Cause:
    """A field that may not be there, or not be changed."""
    return "FieldValueForbidden", field, f"Forbidden: {why}"


def immutable(field: str, old: Any, new: Any, why: str = "field is immutable") -> list[Cause]:  # noqa: ANN401 - JSON
    """What is wrong if a field has changed that may not."""
    return [] if old == new else [refused(field, new, why)]


def default(thing: Object, **values: Any) -> Object:  # noqa: ANN401 - JSON
    """Fills what is missing or null, in place; dots do not nest here."""
    for key, value in values.items():
        if thing.get(key) is None:
            thing[key] = value
    return thing


def below(thing: Object, key: str) -> Object:
    """The object at a key, made if it is missing."""
    if thing.get(key) is None:
        thing[key] = {}
    found: Object = thing[key]
    return found


def items(thing: Object, key: str) -> list[Object]:
    """The list at a key; empty if it is missing."""
    found: list[Object] = thing.get(key) or []
    return found
