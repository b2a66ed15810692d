"""The user in a front proxy's headers: X-Remote-User and the like (apiserver's request/headerrequest).

These headers count only beside the front proxy's verified certificate, which the caller has checked.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from kubevouch.serve.messages import HttpRequest, UserInfo

_INVALID_ESCAPE: Final = re.compile("%(?![0-9a-fA-F]{2})")


@dataclass(frozen=True, slots=True)
class HeaderNames:
    """Names of the headers. The first user header with a value counts; groups are collected from all group headers."""

    user: tuple[str, ...] = ("X-Remote-User",)
    group: tuple[str, ...] = ("X-Remote-Group",)
    extra: tuple[str, ...] = ("X-Remote-Extra-",)
    uid: tuple[str, ...] = ()


def user_from_headers(request: HttpRequest, names: HeaderNames) -> UserInfo | None:
    """The user that the headers name; None if they name none."""
    name = _first(request, names.user)
    if not name:
        return None
    groups = tuple(
        group for each in names.group for group in request.headers.get(each.lower(), ()) if group
    )
    return UserInfo(name, groups, _first(request, names.uid), _extra(request, names.extra))


def _first(request: HttpRequest, names: Sequence[str]) -> str:
    return next((found for found in map(request.header, names) if found), "")


def _extra(request: HttpRequest, prefixes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for prefix in prefixes:
        for header, values in request.headers.items():
            if header.startswith(prefix.lower()):
                key = _unescaped(header[len(prefix) :])
                found[key] = (*found.get(key, ()), *values)
    return found


def _unescaped(key: str) -> str:
    """The key percent-decoded as by Go's url.PathUnescape; an invalid escape leaves it as it is."""
    if _INVALID_ESCAPE.search(key):
        return key
    return unquote_to_bytes(key).decode(errors="replace").lower()
