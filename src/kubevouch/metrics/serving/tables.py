"""Table responses for kubectl (metrics-server's pkg/api/table.go; apiserver's handlers/response.go, asTable)."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from kubevouch.metrics.serving.objects import Object, with_kind
from kubevouch.quantity import format_bytes, format_nanocores

TABLES: Final = ("Table.v1.meta.k8s.io", "Table.v1beta1.meta.k8s.io")
INCLUDED: Final = ("", "None", "Metadata", "Object")
"""The values of includeObject: how much of its object a row carries. "" means Metadata."""

_COLUMNS: Final = (
    {
        "name": "Name",
        "type": "string",
        "format": "name",
        "description": "Name of the resource",
        "priority": 0,
    },
    *(
        {"name": name, "type": "string", "format": form, "description": "", "priority": 0}
        for name, form in (("cpu", "quantity"), ("memory", "quantity"), ("Window", "duration"))
    ),
)


class TableRow(NamedTuple):
    """An object to show as a row: an item of a list, its total CPU (nanocores) and memory (bytes), and its time."""

    kind: str
    item: Object
    cpu: int
    memory: int
    at_ns: int | None


def table(rows: Sequence[TableRow], version: str, include: str) -> Object:
    """A Table. version: v1 or v1beta1. include: one of INCLUDED. Without rows it has no columns, as upstream."""
    api_version = f"meta.k8s.io/{version}"
    return {
        "kind": "Table",
        "apiVersion": api_version,
        "metadata": {},
        "columnDefinitions": list(_COLUMNS) if rows else None,
        "rows": [_row(each, api_version, include) for each in rows] or None,
    }


def _row(row: TableRow, api_version: str, include: str) -> Object:
    metadata = row.item["metadata"]
    cells = [
        metadata["name"],
        format_nanocores(row.cpu),
        format_bytes(row.memory),
        row.item["window"],
    ]
    carried: Object | None = None
    if include == "Object":
        carried = with_kind(row.kind, row.item)
    elif include != "None":
        carried = {
            "kind": "PartialObjectMetadata",
            "apiVersion": api_version,
            "metadata": metadata,
        }
    return {"cells": cells, "object": carried}
