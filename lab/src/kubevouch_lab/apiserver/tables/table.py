"""meta.k8s.io Table documents."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.tables.cells import at, text
from kubevouch_lab.apiserver.tables.printers import OTHERS, PRINTERS
from kubevouch_lab.objects import Object, ReadOnlyObject

IncludeObject = Literal["None", "Metadata", "Object"]


def table_for(
    kind: Kind,
    objects: Iterable[ReadOnlyObject],
    *,
    list_metadata: Mapping[str, Any],
    include_object: IncludeObject,
    now: datetime,
    headers: bool = True,
) -> Object:
    """A `meta.k8s.io/v1` Table.

    list_metadata: the metadata of the list, for one object its resourceVersion. include_object: the query parameter.
    headers: False leaves the columns out, as a watch does after its first event.
    """
    printer = PRINTERS.get(kind.plural, OTHERS)
    rows = []
    for thing in objects:
        cells = [text(thing, "metadata.name"), *printer.row(thing, now)]
        rows.append({"cells": cells, "object": _included(thing, include_object)})
    columns = [_column(name) for name in ("Name", *printer.columns.split(","))]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": dict(list_metadata),
        "columnDefinitions": columns if headers else None,
        "rows": rows,
    }


def _column(name: str) -> Object:
    """As metav1.TableColumnDefinition."""
    return {
        "name": name.lstrip("|#"),
        "type": "integer" if name.startswith("#") else "string",
        "format": "name" if name == "Name" else "",
        "description": "",
        "priority": int(name.startswith("|")),
    }


def _included(thing: ReadOnlyObject, include_object: IncludeObject) -> ReadOnlyObject | None:
    if include_object == "None":
        return None
    return thing if include_object == "Object" else partial(thing)


def partial(thing: ReadOnlyObject) -> Object:
    """The metadata of an object alone."""
    named = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    return {**named, "metadata": at(thing, "metadata")}
