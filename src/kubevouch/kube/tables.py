"""Objects read as rows of a Table (meta.k8s.io/v1): their metadata and one printed column, where no more is needed.

A server prints a Table of any resource for `kubectl get`, and with each row it sends the object's metadata only. That is
a fraction of a Pod, say, and unlike PartialObjectMetadata it shows what stands in a column, such as the pod's node.

In a watch each event holds a Table of one row, and the columns are described in the first event only, which may be
a BOOKMARK (apiserver's endpoints/handlers/response.go, watchEmbeddedEncoder). A server that does not print Tables, or
cannot print one object, sends the object itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from kubevouch.kube.decode import Listed, ListMetadata, decoded, list_of
from kubevouch.kube.errors import BadResponse
from kubevouch.kube.resources.meta import Metadata, Narrow, Object

ObjectT = TypeVar("ObjectT", bound=Object)

AS_TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
"""The Accept header."""
METADATA_ONLY: Final = {"includeObject": "Metadata"}
"""The query: what comes with each row."""
_NONE: Final = "<none>"


class NoSuchColumn(BadResponse):
    """A Table lacks the column, so the objects have to be read themselves."""


class _Column(Narrow, frozen=True, kw_only=True):
    name: str = ""


class _Row(Narrow, frozen=True, kw_only=True):
    cells: tuple[Any, ...] = ()
    object: Object = Object()


class Table(Narrow, frozen=True, kw_only=True):
    """A Table, or with another kind something else."""

    kind: str = ""
    metadata: ListMetadata = ListMetadata()
    column_definitions: tuple[_Column, ...] | None = ()
    rows: tuple[_Row, ...] = ()


@dataclass(frozen=True)
class RowForm(Generic[ObjectT]):
    """How an object is made of its row. struct: of the object itself. column: the name of the printed column that is needed.

    made: makes the object of its metadata and the text in that column, "" where nothing is there.
    """

    struct: type[ObjectT]
    column: str
    made: Callable[[Metadata, str], ObjectT]


class RowReader(Generic[ObjectT]):
    """Reads the answers of one list, or the events of one watch."""

    def __init__(self, form: RowForm[ObjectT]) -> None:
        self._form = form
        self._at: int | None = None

    def page(self, body: bytes, where: str) -> Listed[ObjectT]:
        """A page of a list, of rows or of objects. Raises BadResponse, NoSuchColumn."""
        table = self.table(body, where)
        if table is None:
            return decoded(body, list_of(self._form.struct), where)
        return Listed(metadata=table.metadata, items=tuple(self._objects(table, where)))

    def one(self, body: bytes, where: str) -> ObjectT:
        """The object of an event. Raises BadResponse, NoSuchColumn."""
        table = self.table(body, where)
        if table is None:
            return decoded(body, self._form.struct, where)
        found = self._objects(table, where)
        if len(found) != 1:
            raise BadResponse(where, f"a Table of {len(found)} rows for one object")
        return found[0]

    def table(self, body: bytes, where: str) -> Table | None:
        """The Table, whose columns are remembered; None if it is something else. Raises BadResponse."""
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
