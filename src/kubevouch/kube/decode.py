"""Decodes the API server's JSON into structs with the fields that kubevouch reads.

The JSON contains whole objects, or rows of a Table. If strict decoding fails, the decoder drops the
following, since one bad object must not make a whole list unreadable:

- null, which Go reads as absent
- times that Python's datetime cannot hold: a node can write the year 0 or 10000 into its status
- deep nesting: an API server (sigs.k8s.io/json) accepts 10,000 levels, more than Python's decoder.
  Any client can nest an object's managedFields that deeply.
"""

import functools
import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, cast

import msgspec

from kubevouch.kube.errors import BadResponse
from kubevouch.kube.resources.meta import Metadata, Narrow, Object, Resource

T = TypeVar("T")
JSON = Any

# RFC 3339 as Go writes it, with a year beyond datetime's range: 0000, -001, 10000.
_UNREPRESENTABLE: Final = re.compile(r"^(?:0000|-[0-9]+|[0-9]{5,})-[0-9]{2}-[0-9]{2}T")


_DEEPEST: Final = 100
"""Objects and lists at this nesting depth are dropped. Fields that we read are at most 20 levels deep."""

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
    """Decodes `data` as `kind`. Raises BadResponse with `where` as its source.

    whole: whether nesting beyond Python's limit is an error. If False, the deepest parts are dropped.
    """
    try:
        return _read(data, kind, where)
    except RecursionError as error:
        if whole:
            raise _not_json(where, error) from None
    return _read(_shallow(data), kind, where)


def _read(data: bytes, kind: type[T], where: str) -> T:
    """Decodes `data` as `kind`. Raises RecursionError for nesting beyond Python's limit."""
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
        raise BadResponse(where, f"unexpected JSON ({error})") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise _not_json(where, error) from None


def _not_json(where: str, error: Exception) -> BadResponse:
    return BadResponse(where, f"not JSON ({error})")


def _shallow(data: bytes) -> bytes:
    """The JSON, with null in place of all objects and lists at the depth _DEEPEST."""
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
    # JSON that ends too deep is truncated, and so invalid.
    return b"".join((*kept, data[at:])) if depth < _DEEPEST else b""


def _as_go_reads(value: JSON) -> JSON:
    if isinstance(value, dict):
        return {
            key: _as_go_reads(inner)
            for key, inner in value.items()
            if inner is not None and not _is_bad_time(inner)
        }
    if isinstance(value, list):
        return [_as_go_reads(inner) for inner in value if inner is not None]
    return value


def _is_bad_time(value: JSON) -> bool:
    return isinstance(value, str) and _UNREPRESENTABLE.match(value) is not None


def list_of(kind: type[T]) -> type[Listed[T]]:
    """The type of a list page whose items are of the type `kind`."""
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
        """The whole object as JSON, to change and write back.

        Adds apiVersion and kind, which the items of a list lack.
        """
        # A PUT body needs only text keys and JSON values.
        found = decoded(self.data, dict[str, Any], self._where, whole=True)
        return {**found, "apiVersion": self.resource.api_version, "kind": self.resource.kind}

    @property
    def _where(self) -> str:
        return f"{self.server}: {self.resource.plural}"


AS_TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
"""The Accept header that requests a Table."""
METADATA_ONLY: Final = {"includeObject": "Metadata"}
"""The query parameter that requests only each row's object metadata."""
_NONE: Final = "<none>"


class NoSuchColumn(BadResponse):
    """A Table lacks the requested column. Read whole objects instead."""


class _Column(Narrow, frozen=True, kw_only=True):
    name: str = ""


class _Row(Narrow, frozen=True, kw_only=True):
    cells: tuple[Any, ...] = ()
    object: Object = Object()


class Table(Narrow, frozen=True, kw_only=True):
    """A meta.k8s.io Table. If `kind` is not Table, the server sent another object."""

    kind: str = ""
    metadata: ListMetadata = ListMetadata()
    column_definitions: tuple[_Column, ...] | None = ()
    rows: tuple[_Row, ...] = ()


@dataclass(frozen=True)
class RowForm(Generic[ObjectT]):
    """How to build an object from a Table row.

    struct: the object's type. column: the name of the column to read. made: builds the object from
    the row's object metadata and the column's text, which may be "".
    """

    struct: type[ObjectT]
    column: str
    made: Callable[[Metadata, str], ObjectT]


class RowReader(Generic[ObjectT]):
    """Reads objects from the Table rows of one list or one watch.

    An API server can print any resource as a Table, as for `kubectl get`. It then sends only the
    metadata of each row's object, a fraction of a Pod's size. Unlike PartialObjectMetadata, a row
    also has columns, such as the pod's node.

    In a watch each event holds a Table of one row. Only the first event, which may be a BOOKMARK,
    describes the columns (apiserver's endpoints/handlers/response.go, watchEmbeddedEncoder). If a
    server sends whole objects instead of Tables, the reader decodes these objects.
    """

    def __init__(self, form: RowForm[ObjectT]) -> None:
        self._form = form
        self._at: int | None = None

    def page(self, body: bytes, where: str) -> Listed[ObjectT]:
        """Decodes a page of a list, from rows or objects. Raises BadResponse, NoSuchColumn."""
        table = self.table(body, where)
        if table is None:
            return decoded(body, list_of(self._form.struct), where)
        return Listed(metadata=table.metadata, items=tuple(self._objects(table, where)))

    def one(self, body: bytes, where: str) -> ObjectT:
        """Decodes the object of a watch event. Raises BadResponse, NoSuchColumn."""
        table = self.table(body, where)
        if table is None:
            return decoded(body, self._form.struct, where)
        found = self._objects(table, where)
        if len(found) != 1:
            raise BadResponse(where, f"a Table of {len(found)} rows for one object")
        return found[0]

    def table(self, body: bytes, where: str) -> Table | None:
        """Decodes a Table and remembers its columns; None for any other object. Raises BadResponse."""
        table = decoded(body, Table, where)
        if table.kind != "Table":
            return None
        names = [column.name for column in table.column_definitions or ()]
        if self._form.column in names:
            self._at = names.index(self._form.column)
        return table

    def _objects(self, table: Table, where: str) -> list[ObjectT]:
        if not table.rows:
            return []
        at = self._at
        if at is None or any(len(row.cells) <= at for row in table.rows):
            raise NoSuchColumn(where, f"a Table without the column {self._form.column}")
        return [self._form.made(row.object.metadata, _text(row.cells[at])) for row in table.rows]


def _text(cell: object) -> str:
    return cell if isinstance(cell, str) and cell != _NONE else ""
