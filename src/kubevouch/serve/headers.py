"""Who a front proxy says that somebody is: X-Remote-User and its kin (apiserver's request/headerrequest).

These headers mean something only beside the front proxy's verified certificate; whoever calls has looked at that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from kubevouch.serve.messages import Request, User


@dataclass(frozen=True, slots=True)
class HeaderNames:
    """Which headers say what. The first user header that has a value counts; groups come from all of theirs."""

    user: tuple[str, ...] = ("X-Remote-User",)
    group: tuple[str, ...] = ("X-Remote-Group",)
    extra: tuple[str, ...] = ("X-Remote-Extra-",)
    uid: tuple[str, ...] = ()


def user_in_headers(request: Request, names: HeaderNames) -> User | None:
    """Who it is; None if no header says so."""
    name = _first(request, names.user)
    if not name:
        return None
    groups = tuple(
        group for each in names.group for group in request.headers.get(each.lower(), ()) if group
    )
    return User(name, groups, _first(request, names.uid), _extra(request, names.extra))


def _first(request: Request, names: Sequence[str]) -> str:
    return next((found for found in map(request.header, names) if found), "")


def _extra(request: Request, prefixes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for prefix in prefixes:
        for header, values in request.headers.items():
            if header.startswith(prefix.lower()):
                key = _unescaped(header[len(prefix) :])
                found[key] = (*found.get(key, ()), *values)
    return found


def _unescaped(key: str) -> str:
    """Percent-decoded as Go's url.PathUnescape does it; what is no such text stays as it is."""
    for place, character in enumerate(key):
        digits = key[place + 1 : place + 3]
        if character == "%" and not (len(digits) == 2 and _is_hex(digits)):
            return key
    return unquote_to_bytes(key).decode(errors="replace").lower()


def _is_hex(text: str) -> bool:
    return all(each in "0123456789abcdefABCDEF" for each in text)
