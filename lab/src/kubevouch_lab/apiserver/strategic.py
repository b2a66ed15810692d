"""Strategic merge patches, as `kubectl apply`, `edit` and `patch` send them.

apimachinery's pkg/util/strategicpatch/patch.go. Which lists are merged, and by what, stands in the table of fields.
"""

import copy
from collections.abc import Mapping
from typing import Any

from kubevouch_lab.apiserver.openapi.schema import ListOf, Message, Ref, messages
from kubevouch_lab.apiserver.status import bad_request

JSON = Any

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE_VALUES = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def strategic_patched(target: JSON, patch: JSON, shape: Message | None) -> JSON:
    """What a patch makes of a value, on a copy; 400 for a patch that cannot be understood.

    shape: the type of the value; None where it is not known, so that every list is replaced.
    """
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    match patch.get(_DIRECTIVE):
        case None | "merge":
            return _merged(target if isinstance(target, dict) else {}, patch, shape)
        case "replace":
            return _plain({key: value for key, value in patch.items() if key != _DIRECTIVE})
        case "delete":
            return {}
        case unknown:
            raise bad_request(f"Unknown patch type found: {unknown}")


def _field(shape: Message | None, key: str) -> tuple[str | None, Message | None]:
    """The merge key of a field (None: no merged list) and the type of its value, or of its items."""
    field = shape.fields.get(key) if shape else None
    if field is None:
        return None, None
    kind = field.type.of if isinstance(field.type, ListOf) else field.type
    return field.merge_key, messages()[kind.name] if isinstance(kind, Ref) else None


def _merged(target: Mapping[str, JSON], patch: Mapping[str, JSON], shape: Message | None) -> JSON:
    merged = _retained(copy.deepcopy(dict(target)), patch.get(_RETAIN))
    for key, value in patch.items():
        if key.startswith(_DELETE_VALUES):
            _delete_values(merged, key.removeprefix(_DELETE_VALUES), value)
    for key, value in patch.items():
        if not key.startswith("$"):
            _merge_value(merged, key, value, shape, patch.get(_ORDER + key))
    for key, order in patch.items():
        name = key.removeprefix(_ORDER)
        if key.startswith(_ORDER) and name not in patch and name in merged:
            merge_key = _field(shape, name)[0] or ""
            merged[name] = _in_order(merged[name], _list(order), merged[name], merge_key)
    return merged


def _merge_value(
    merged: dict[str, JSON], key: str, value: JSON, shape: Message | None, order: JSON
) -> None:
    merge_key, below = _field(shape, key)
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, list) and merge_key is not None:
        merged[key] = _merged_list(merged.get(key), value, merge_key, below, order)
    elif isinstance(value, dict):
        if key in merged or value.get(_DIRECTIVE) != "delete":
            merged[key] = strategic_patched(merged.get(key), value, below)
    else:
        merged[key] = _plain(value)


def _list(order: JSON) -> list[JSON]:
    if not isinstance(order, list):
        raise bad_request("invalid patch format of setElementOrder: it is not a list")
    return order


def _retained(target: dict[str, JSON], retained: JSON) -> dict[str, JSON]:
    if retained is None:
        return target
    if not isinstance(retained, list):
        raise bad_request("invalid patch format of retainKeys: it is not a list")
    return {key: value for key, value in target.items() if key in retained}


def _delete_values(merged: dict[str, JSON], key: str, gone: JSON) -> None:
    if not isinstance(gone, list):
        raise bad_request("invalid patch format of deleteFromPrimitiveList: it is not a list")
    found = merged.get(key)
    if isinstance(found, list):
        merged[key] = [value for value in found if value not in gone]


def _merged_list(
    target: JSON, patch: list[JSON], merge_key: str, shape: Message | None, order: JSON
) -> list[JSON]:
    before: list[JSON] = list(target) if isinstance(target, list) else []
    if any(isinstance(item, dict) and item.get(_DIRECTIVE) == "replace" for item in patch):
        kept = (item for item in patch if not (isinstance(item, dict) and _DIRECTIVE in item))
        return [_plain(item) for item in kept]
    if merge_key:
        merged = list(before)
        for item in patch:
            if not isinstance(item, dict):
                raise bad_request(f"map: {item}: an item of the patch is not an object")
            _merge_item(merged, item, merge_key, shape)
    else:
        merged = [*before, *(value for value in patch if value not in before)]
    merged = _in_order(merged, patch, before, merge_key)
    return merged if order is None else _in_order(merged, _list(order), before, merge_key)


def _merge_item(
    target: list[JSON], item: Mapping[str, JSON], merge_key: str, shape: Message | None
) -> None:
    if merge_key not in item:
        raise bad_request(f"map: {dict(item)} does not contain declared merge key: {merge_key}")
    here = [
        index
        for index, found in enumerate(target)
        if isinstance(found, dict) and found.get(merge_key) == item[merge_key]
    ]
    if item.get(_DIRECTIVE) == "delete":
        for index in reversed(here):
            del target[index]
    elif here:
        target[here[0]] = strategic_patched(target[here[0]], item, shape)
    else:
        # As Go: a new item is taken as it is, and what is a directive in it is dropped by the decoder.
        target.append(_plain(item))


def _in_order(
    merged: list[JSON], wanted: list[JSON], before: list[JSON], merge_key: str
) -> list[JSON]:
    """A merged list as Go orders it: what the patch names in the patch's order, the rest as it was.

    The rest is woven in by the old order: an item goes before the first of the patch's that stood after it.
    """

    def name(item: JSON) -> JSON:
        return item.get(merge_key) if merge_key and isinstance(item, dict) else item

    names, old = [name(item) for item in wanted], [name(item) for item in before]
    named = sorted(
        (item for item in merged if name(item) in names), key=lambda i: names.index(name(i))
    )
    rest = [item for item in merged if name(item) not in names]
    woven: list[JSON] = []
    while rest and named:
        left, right = name(rest[0]), name(named[0])
        first = left in old and right in old and old.index(left) < old.index(right)
        woven.append(rest.pop(0) if first else named.pop(0))
    return [*woven, *rest, *named]


def _plain(value: JSON) -> JSON:
    """A value as it is kept: a copy without directives and nulls of objects."""
    if isinstance(value, dict):
        return {
            key: _plain(each)
            for key, each in value.items()
            if each is not None
            and not key.startswith(("$patch", "$retainKeys", _ORDER, _DELETE_VALUES))
        }
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
