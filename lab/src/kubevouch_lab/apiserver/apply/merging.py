"""A configuration into an object, and out of it what is no longer applied: structured-merge-diff's typed and merge."""

from collections.abc import Iterable
from typing import Any

from kubevouch_lab.apiserver.apply.fields import Path, key_of
from kubevouch_lab.apiserver.apply.shapes import Keyed, Mapped, Shape, Struct, Values, shape_in
from kubevouch_lab.objects import Object

JSON = Any


def merged(shape: Shape, live: JSON, applied: JSON) -> JSON:
    """The object with all that is applied; what is not applied stays as it is."""
    match shape:
        case Struct() | Mapped() if isinstance(live, dict) and isinstance(applied, dict):
            kept = dict(live)
            for key, value in applied.items():
                below = shape_in(shape.message, key) if isinstance(shape, Struct) else shape.of
                has = below is not None and key in live
                kept[key] = merged(below, live[key], value) if has and below else value
            return kept
        case Keyed() | Values() if isinstance(live, list) and isinstance(applied, list):
            return _merged_list(shape, live, applied)
    return applied


def _merged_list(shape: Keyed | Values, live: list[JSON], applied: list[JSON]) -> list[JSON]:
    """The applied items in their order; the others where they were, before the applied ones that followed them."""
    there = {key_of(shape, item): item for item in live}
    wanted = {key_of(shape, item) for item in applied}
    order = [key_of(shape, item) for item in live]
    made: list[JSON] = []
    position = 0
    for item in applied:
        key = key_of(shape, item)
        if key in there:
            until = max(order.index(key), position)
            made += [there[each] for each in order[position:until] if each not in wanted]
            position = until
        found = there.get(key)
        both = isinstance(shape, Keyed) and found is not None
        made.append(merged(shape.of, found, item) if both and isinstance(shape, Keyed) else item)
    return made + [there[each] for each in order[position:] if each not in wanted]


def pruned(shape: Shape, thing: Object, gone: frozenset[Path], owned: Iterable[Path]) -> Object:
    """Without the fields that were applied before and that nobody owns now, and without what only they had held."""
    prefixes = {path[:length] for path in owned for length in range(len(path) + 1)}
    for path in gone:
        first = next((n for n in range(1, len(path) + 1) if path[:n] not in prefixes), None)
        if first is not None:
            thing = _without(shape, thing, path[:first])
    return thing


def _without(shape: Shape, value: JSON, path: Path) -> JSON:
    step, rest = path[0], path[1:]
    if isinstance(value, list) and isinstance(shape, Keyed | Values):
        kept = []
        for item in value:
            if key_of(shape, item) != step:
                kept.append(item)
            elif rest and isinstance(shape, Keyed):
                kept.append(_without(shape.of, item, rest))
        return kept
    key = step.removeprefix("f:")
    if not isinstance(value, dict) or key not in value:
        return value
    if not rest:
        return {name: each for name, each in value.items() if name != key}
    below = shape_in(shape.message, key) if isinstance(shape, Struct) else None
    below = shape.of if isinstance(shape, Mapped) else below
    return {**value, key: _without(below, value[key], rest)} if below else value
