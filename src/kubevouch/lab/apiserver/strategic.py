"""Strategic merge patches, as `kubectl apply`, `edit` and `patch` send them.

apimachinery's pkg/util/strategicpatch/patch.go. Which lists are merged, and by what, stands in merge_keys.py.
"""

import copy
from collections.abc import Mapping
from typing import Any

from kubevouch.lab.apiserver.status import bad_request

JSON = Any
Keys = Mapping[str, str]

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE_VALUES = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def strategic_patched(target: JSON, patch: JSON, keys: Keys, path: str = "") -> JSON:
    """What a patch makes of a value, on a copy; 400 for a patch that cannot be understood.

    keys: merge keys by dotted path; path: where this value stands.
    """
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    match patch.get(_DIRECTIVE):
        case None | "merge":
            return _merged(target if isinstance(target, dict) else {}, patch, keys, path)
        case "replace":
            return _plain({key: value for key, value in patch.items() if key != _DIRECTIVE})
        case "delete":
            return {}
        case unknown:
            raise bad_request(f"Unknown patch type found: {unknown}")


def _merged(target: Mapping[str, JSON], patch: Mapping[str, JSON], keys: Keys, path: str) -> JSON:
    merged = _retained(copy.deepcopy(dict(target)), patch.get(_RETAIN))
    for key, value in patch.items():
        if key.startswith(_DELETE_VALUES):
            _delete_values(merged, key.removeprefix(_DELETE_VALUES), value)
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        below = f"{path}.{key}" if path else key
        order = patch.get(_ORDER + key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, list) and below in keys:
            merged[key] = _merged_list(merged.get(key), value, keys, below)
            _put_in_order(merged, key, order, keys[below])
        elif isinstance(value, dict):
            merged[key] = strategic_patched(merged.get(key), value, keys, below)
        else:
            merged[key] = _plain(value)
    for key, order in patch.items():
        name = key.removeprefix(_ORDER)
        if key.startswith(_ORDER) and name not in patch and name in merged:
            below = f"{path}.{name}" if path else name
            _put_in_order(merged, name, order, keys.get(below, ""))
    return merged


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


def _merged_list(target: JSON, patch: list[JSON], keys: Keys, path: str) -> list[JSON]:
    if any(isinstance(item, dict) and item.get(_DIRECTIVE) == "replace" for item in patch):
        kept = (item for item in patch if not (isinstance(item, dict) and _DIRECTIVE in item))
        return [_plain(item) for item in kept]
    merged: list[JSON] = list(target) if isinstance(target, list) else []
    merge_key = keys[path]
    if not merge_key:
        return [*merged, *(value for value in patch if value not in merged)]
    for item in patch:
        if not isinstance(item, dict):
            raise bad_request(f"map: {path}: an item of the patch is not an object")
        _merge_item(merged, item, merge_key, keys, path)
    return merged


def _merge_item(
    target: list[JSON], item: Mapping[str, JSON], merge_key: str, keys: Keys, path: str
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
        target[here[0]] = strategic_patched(target[here[0]], item, keys, path)
    else:
        target.append(strategic_patched({}, item, keys, path))


def _put_in_order(merged: dict[str, JSON], key: str, order: JSON, merge_key: str) -> None:
    """$setElementOrder: those that are named come in that order; others keep their place before their successors."""
    found = merged.get(key)
    if not isinstance(order, list) or not isinstance(found, list):
        return
    wanted = [item.get(merge_key) if isinstance(item, dict) else item for item in order]

    def name(item: JSON) -> JSON:
        return item.get(merge_key) if isinstance(item, dict) else item

    named = sorted(
        (item for item in found if name(item) in wanted), key=lambda i: wanted.index(name(i))
    )
    result: list[JSON] = []
    for item in found:
        if name(item) in wanted:
            result.append(named.pop(0))
        else:
            result.append(item)
    merged[key] = result


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
