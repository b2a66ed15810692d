"""The two patch forms of RFC 7386 (merge) and RFC 6902 (JSON patch), on decoded JSON."""

import copy
from typing import Any

from kubevouch_lab.apiserver.status import unprocessable

JSON = Any


def merge_patched(target: JSON, patch: JSON) -> JSON:
    """RFC 7386: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patched(merged.get(key), value)
    return merged


def json_patched(document: JSON, operations: JSON) -> JSON:
    """RFC 6902 without its `copy` and `move`, on a copy. What cannot be applied is a 422, as from the API server."""
    document = copy.deepcopy(document)
    try:
        for operation in operations:
            document = _apply(document, operation)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise unprocessable() from None
    return document


def _apply(document: JSON, operation: JSON) -> JSON:
    path = _steps(operation["path"])
    match operation["op"]:
        case "add":
            return _added(document, path, operation["value"])
        case "remove":
            return _removed(document, path)[0]
        case "replace":
            return _added(_removed(document, path)[0], path, operation["value"])
        case "test":
            if _at(document, path) != operation["value"]:
                raise unprocessable()
            return document
        case unknown:
            raise ValueError(unknown)


def _steps(pointer: str) -> list[str]:
    if pointer and not pointer.startswith("/"):
        raise ValueError(pointer)
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _at(document: JSON, path: list[str]) -> JSON:
    for step in path:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def _added(document: JSON, path: list[str], value: JSON) -> JSON:
    if not path:
        return value
    parent = _at(document, path[:-1])
    if isinstance(parent, list):
        index = len(parent) if path[-1] == "-" else int(path[-1])
        if not 0 <= index <= len(parent):
            raise IndexError(path[-1])
        parent.insert(index, value)
    else:
        parent[path[-1]] = value
    return document


def _removed(document: JSON, path: list[str]) -> tuple[JSON, JSON]:
    if not path:
        return None, document
    parent = _at(document, path[:-1])
    value = parent.pop(int(path[-1])) if isinstance(parent, list) else parent.pop(path[-1])
    return document, value
