"""Strategic merge patches, as far as `kubectl apply`, `edit` and `patch` send them.

apimachinery's pkg/util/strategicpatch/patch.go. Which lists are merged, and by what, stands in the table of types.
`$patch: replace`, and `$patch: delete` of anything but an item of a list, are refused.
"""

import copy
from typing import Any

from kubevouch_lab.apiserver.schema.types import ListOf, Message, Ref, messages
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
    if patch.get(_DIRECTIVE, "merge") != "merge":
        raise bad_request(f"a kubevouch lab does not support this patch type: {patch[_DIRECTIVE]}")
    merged = copy.deepcopy(target) if isinstance(target, dict) else {}
    if _RETAIN in patch:
        retained = _list(patch[_RETAIN])
        merged = {key: value for key, value in merged.items() if key in retained}
    for key, value in patch.items():
        name = key.removeprefix(_DELETE_VALUES).removeprefix(_ORDER)
        merge_key, below = _field(shape, name)
        if key.startswith(_DELETE_VALUES):
            gone = _list(value)
            merged[name] = [each for each in _kept_list(merged, name) if each not in gone]
        elif key.startswith(_ORDER):
            continue
        elif not key.startswith("$"):
            _merge_value(merged, key, value, merge_key, below)
    for key, value in patch.items():
        name = key.removeprefix(_ORDER)
        if key.startswith(_ORDER) and name in merged:
            merge_key = _field(shape, name)[0] or ""
            merged[name] = _in_order(_kept_list(merged, name), _list(value), merge_key)
    return merged


def _field(shape: Message | None, key: str) -> tuple[str | None, Message | None]:
    """The merge key of a field (None: no merged list) and the type of its value, or of its items."""
    field = shape.fields.get(key) if shape else None
    if field is None:
        return None, None
    kind = field.type.of if isinstance(field.type, ListOf) else field.type
    return field.merge_key, messages()[kind.name] if isinstance(kind, Ref) else None


def _merge_value(
    merged: dict[str, JSON], key: str, value: JSON, merge_key: str | None, below: Message | None
) -> None:
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, list) and merge_key is not None:
        kept = _kept_list(merged, key)
        if merge_key:
            new = [each for item in value for each in _merge_item(kept, item, merge_key, below)]
        else:
            new = [each for each in value if each not in kept]
        merged[key] = [*new, *kept]
    elif isinstance(value, dict):
        merged[key] = strategic_patched(merged.get(key), value, below)
    else:
        merged[key] = _plain(value)


def _merge_item(
    target: list[JSON], item: JSON, merge_key: str, shape: Message | None
) -> list[JSON]:
    """What is to be put before the others: the item, if it is new."""
    if not isinstance(item, dict) or merge_key not in item:
        raise bad_request(f"map: {item} does not contain declared merge key: {merge_key}")
    here = [at for at, each in enumerate(target) if _name(each, merge_key) == item[merge_key]]
    if item.get(_DIRECTIVE) == "delete":
        for at in reversed(here):
            del target[at]
    elif here:
        target[here[0]] = strategic_patched(target[here[0]], item, shape)
    else:
        return [strategic_patched({}, item, shape)]
    return []


def _in_order(merged: list[JSON], wanted: list[JSON], merge_key: str) -> list[JSON]:
    """What the patch names in the patch's order, in the places that these items have; the rest stays where it is."""
    names = [_name(each, merge_key) for each in wanted]
    named = [each for each in merged if _name(each, merge_key) in names]
    ordered = iter(sorted(named, key=lambda each: names.index(_name(each, merge_key))))
    return [next(ordered) if _name(each, merge_key) in names else each for each in merged]


def _name(item: JSON, merge_key: str) -> JSON:
    return item.get(merge_key) if merge_key and isinstance(item, dict) else item


def _kept_list(merged: dict[str, JSON], key: str) -> list[JSON]:
    found = merged.get(key)
    return list(found) if isinstance(found, list) else []


def _list(value: JSON) -> list[JSON]:
    if not isinstance(value, list):
        raise bad_request("invalid patch format: a directive's value is not a list")
    return value


def _plain(value: JSON) -> JSON:
    """A value as it is kept: a copy without nulls of objects."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items() if each is not None}
    return [_plain(item) for item in value] if isinstance(value, list) else value
