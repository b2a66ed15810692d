"""JSON from the API server into narrow structs.

Go reads null as absent, and writes times that Python's datetime cannot hold (a node can put the year 0 or 10000 into
its own status or lease). An API server takes objects of up to ten thousand levels (sigs.k8s.io/json; managedFields, which
whoever writes an object can state), and Python's decoder does not. None of that may prevent a whole list from being read, so
what the strict decoder refuses is read again without it.
"""

import functools
import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, cast

import msgspec

from kubevouch.kube.errors import BadResponse
from kubevouch.kube.resources.meta import Narrow, Object, Resource

T = TypeVar("T")
JSON = Any

# RFC 3339 as Go writes it, with a year beyond datetime's range: 0000, -001, 10000.
_UNREPRESENTABLE: Final = re.compile(r"^(?:0000|-[0-9]+|[0-9]{5,})-[0-9]{2}-[0-9]{2}T")


_DEEPEST: Final = 100
"""Levels. Nothing that is read of any object lies below the twentieth."""

_BRACKET_OR_TEXT: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[][{}]', re.DOTALL)


class ListMetadata(Narrow, frozen=True, kw_only=True):
    """The metadata of a list. `continue_` is the token of the next page, "" on the last page."""

    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class Listed(Narrow, Generic[T], frozen=True, kw_only=True):
    """A page of a list."""

    metadata: ListMetadata = ListMetadata()
    items: tuple[T, ...] = ()


@functools.cache
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decoded(data: bytes, kind: type[T], where: str, *, whole: bool = False) -> T:
    """`data` decoded as `kind`. Raises BadResponse at `where`. whole: what is nested absurdly deep must not be left out."""
    try:
        return _read(data, kind, where)
    except RecursionError as error:
        if whole:
            raise _not_json(where, error) from None
    return _read(_shallow(data), kind, where)


def _read(data: bytes, kind: type[T], where: str) -> T:
    """Raises RecursionError for what is nested deeper than Python goes."""
    decoder: msgspec.json.Decoder[T] = _decoder(cast("Hashable", kind))
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        return _tolerant(data, kind, where)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise _not_json(where, error) from None


def _tolerant(data: bytes, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(_as_go_reads(msgspec.json.decode(data)), kind)
    except msgspec.ValidationError as error:
        raise BadResponse(where, f"an answer of another shape ({error})") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise _not_json(where, error) from None


def _not_json(where: str, error: Exception) -> BadResponse:
    return BadResponse(where, f"an answer that is not JSON ({error})")


def _shallow(data: bytes) -> bytes:
    """The same JSON with null in place of each object and each list beyond the depth of anything that is read."""
    kept: list[bytes] = []
    depth, at = 0, 0
    for found in _BRACKET_OR_TEXT.finditer(data):
        if found[0] in b"[{":
            depth += 1
            if depth == _DEEPEST:
                kept += (data[at : found.start()], b"null")
        elif found[0] in b"]}":
            if depth == _DEEPEST:
                at = found.end()
            depth -= 1
    # What ends too deep is cut off, and not JSON.
    return b"".join((*kept, data[at:])) if depth < _DEEPEST else b""


def _as_go_reads(value: JSON) -> JSON:
    if isinstance(value, dict):
        return {
            key: _as_go_reads(inner)
            for key, inner in value.items()
            if inner is not None and not _is_no_moment(inner)
        }
    if isinstance(value, list):
        return [_as_go_reads(inner) for inner in value if inner is not None]
    return value


def _is_no_moment(value: JSON) -> bool:
    return isinstance(value, str) and _UNREPRESENTABLE.match(value) is not None


def list_of(kind: type[T]) -> type[Listed[T]]:
    """The type of a page of `kind`."""
    return Listed[kind]  # type: ignore[valid-type]


ObjectT = TypeVar("ObjectT", bound=Object)


@dataclass(frozen=True)
class RawObject(Generic[ObjectT]):
    """An object's JSON as the API server sent it."""

    resource: Resource[ObjectT]
    data: bytes
    server: str

    def read(self) -> ObjectT:
        """The object decoded into the struct of its kind."""
        return decoded(self.data, self.resource.struct, self._where)

    def whole(self) -> dict[str, Any]:
        """The whole object as JSON, to be changed and written back; apiVersion and kind are added to an item of a list."""
        # Text keys and JSON values are all that a PUT body needs to be.
        found = decoded(self.data, dict[str, Any], self._where, whole=True)
        return {**found, "apiVersion": self.resource.api_version, "kind": self.resource.kind}

    @property
    def _where(self) -> str:
        return f"{self.server}: {self.resource.plural}"
