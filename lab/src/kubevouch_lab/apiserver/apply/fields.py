"""The fields of a value, as paths of fieldsV1 (`f:spec`, `k:{"name":"web"}`, `v:"x"`): fieldpath's serialize-pe.go."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from kubevouch_lab.apiserver.apply.shapes import (
    KEY_DEFAULTS,
    Keyed,
    Mapped,
    Shape,
    Struct,
    Values,
    shape_in,
)
from kubevouch_lab.objects import Object

JSON = Any
Path = tuple[str, ...]

# Nobody owns these (managedfields' internal/stripmeta.go).
_NOBODYS = (
    ("f:apiVersion",),
    ("f:kind",),
    ("f:metadata",),
    *(
        ("f:metadata", f"f:{each}")
        for each in ("name", "namespace", "creationTimestamp", "uid", "generation", "managedFields", "resourceVersion")
    ),
)  # fmt: skip


class NotInTheSchema(ValueError):
    """A field that the type does not have: `.spec.colour: field not declared in schema`."""


def key_of(shape: Keyed | Values, item: JSON) -> str:
    """The path element of an item of a list."""
    if isinstance(shape, Values):
        return f"v:{_compact(item)}"
    item = item if isinstance(item, dict) else {}
    keys = {key: item.get(key, KEY_DEFAULTS.get(key)) for key in sorted(shape.keys)}
    return f"k:{_compact(keys)}"


def _compact(value: JSON) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def values_by_path(shape: Shape, value: JSON) -> dict[Path, JSON]:
    """Every field with its value; of what is merged below, the fields below (an item of a list itself, too: None).

    Raises NotInTheSchema.
    """
    found = dict(_walk(shape, value, ()))
    for path in _NOBODYS:
        found.pop(path, None)
    return found


def _walk(shape: Shape, value: JSON, path: Path) -> Iterator[tuple[Path, JSON]]:
    match shape:
        case Struct() if isinstance(value, dict) and (value or not path):
            for key, each in value.items():
                below = shape_in(shape.message, key)
                if below is None:
                    if not path and key in {"apiVersion", "kind"}:
                        continue
                    where = text((*path, f"f:{key}"))
                    raise NotInTheSchema(f"{where}: field not declared in schema")
                yield from _walk(below, each, (*path, f"f:{key}"))
        case Mapped() if isinstance(value, dict) and value:
            for key, each in value.items():
                yield from _walk(shape.of, each, (*path, f"f:{key}"))
        case Keyed() | Values() if isinstance(value, list) and value:
            for each in value:
                here = (*path, key_of(shape, each))
                yield here, None
                if isinstance(shape, Keyed):
                    yield from _walk(shape.of, each, here)
        case _:
            yield path, value


def text(path: Path) -> str:
    """`.spec.containers[name="web"].image`, as errors name it."""
    shown = ""
    for step in path:
        kind, _, rest = step.partition(":")
        if kind == "f":
            shown += f".{rest}"
        elif kind == "k":
            keys = json.loads(rest)
            shown += "[" + ",".join(f"{key}={_compact(value)}" for key, value in keys.items()) + "]"
        else:
            shown += f"[={rest}]"
    return shown


def written(paths: Iterable[Path]) -> Object:
    """The paths as fieldsV1."""
    tree: Object = {}
    for path in sorted(paths):
        here = tree
        for step in path:
            here = here.setdefault(step, {})
        here["."] = {}
    return _without_dots(tree)


def _without_dots(tree: Object) -> Object:
    """A leaf is `{}`; what is owned and has fields below has a dot."""
    if set(tree) == {"."}:
        return {}
    return {step: {} if step == "." else _without_dots(below) for step, below in tree.items()}


def read(tree: Object | None, path: Path = ()) -> frozenset[Path]:
    """The paths in fieldsV1."""
    found: set[Path] = set()
    for step, below in (tree or {}).items():
        if step == ".":
            found.add(path)
        elif not below:
            found.add((*path, step))
        else:
            found |= read(below, (*path, step))
    return frozenset(found)
