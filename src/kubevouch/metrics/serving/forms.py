"""The forms of a response: objects themselves, or Tables (metrics-server's pkg/api/table.go)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from kubevouch.metrics.serving.objects import API_VERSION, Item
from kubevouch.serve.messages import HttpRequest

TABLE: Final = "Table.v1.meta.k8s.io"
"""What objects can be converted to: what kubectl asks for."""
_PARTIAL: Final = '{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":'
_COLUMNS: Final = msgspec.json.encode([
    {
        "name": name,
        "type": "string",
        "format": form,
        "description": "Name of the resource" if name == "Name" else "",
        "priority": 0,
    }
    for name, form in (
        ("Name", "name"), ("cpu", "quantity"), ("memory", "quantity"), ("Window", "duration"),
    )
]).decode()  # fmt: skip


@dataclass(frozen=True, slots=True)
class Form:
    """How objects are written: each of them, the text around them, and the whole text of an empty list."""

    begin: str
    write: Callable[[Item], str]
    end: str
    nothing: str = ""


def form_of(request: HttpRequest, kind: str, *, as_table: bool, single: bool) -> Form:
    """The form to write objects of this kind in, as a list or one alone."""
    if as_table:
        return _table(request.query_value("includeObject"))
    if single:
        head = f'{{"kind":"{kind}","apiVersion":"{API_VERSION}","metadata":'
        return Form("", lambda each: f"{head}{each.metadata()},{each.fields()}}}", "\n")
    begin = f'{{"kind":"{kind}List","apiVersion":"{API_VERSION}","metadata":{{}},"items":['
    return Form(
        begin,
        lambda each: f'{{"metadata":{each.metadata()},{each.fields()}}}',
        "]}\n",
        f"{begin}]}}\n",
    )


def _table(include: str) -> Form:
    """include: how much of its object a row carries: `Object`, `None`, else its metadata."""
    begin = '{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{},"columnDefinitions":'

    def row(each: Item) -> str:
        carried = f"{_PARTIAL}{each.metadata()}}}"
        if include == "Object":
            kind = f'"kind":"{each.kind}","apiVersion":"{API_VERSION}"'
            carried = f'{{{kind},"metadata":{each.metadata()},{each.fields()}}}'
        elif include == "None":
            carried = "null"
        return f'{{"cells":[{each.cells()}],"object":{carried}}}'

    # Without rows there are no columns either.
    return Form(f'{begin}{_COLUMNS},"rows":[', row, "]}\n", f'{begin}null,"rows":null}}\n')
