"""Sends a single watch request and decodes its lines, without retries."""

import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec

from kubevouch.kube.api_call import api_call
from kubevouch.kube.decode import AS_TABLE, METADATA_ONLY, NoSuchColumn, RowForm, RowReader, decoded
from kubevouch.kube.errors import BadResponse
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.http_client import APPLICATION_JSON
from kubevouch.kube.io.transport import ResponseLimits
from kubevouch.kube.refusals import refusal
from kubevouch.kube.resources.meta import Narrow, Object, Resource

ObjectT = TypeVar("ObjectT", bound=Object)

_ENDS_LIST: Final = "k8s.io/initial-events-end"
"""The annotation of the bookmark that ends a list (metav1.InitialEventsAnnotationKey). In a Table,
the row's object has the annotation."""
_LONGEST_LINE: Final = 16 * 1024 * 1024
GRACE: Final = 30.0
"""Seconds that a server may add to the requested duration of a watch."""


class _Line(Narrow, frozen=True, kw_only=True):
    type: str
    object: msgspec.Raw


class _Code(Narrow, frozen=True, kw_only=True):
    code: int = 0


class WatchLine(msgspec.Struct, Generic[ObjectT], frozen=True):
    """A watch event. type: ADDED, MODIFIED or DELETED, with the object; or BOOKMARK, with only a resourceVersion.

    If an object cannot be decoded, type is "" and `error` is set; the watch continues. ends_list:
    whether this is the bookmark after all initial objects.
    """

    type: str
    version: str
    object: ObjectT | None = None
    error: BadResponse | None = None
    ends_list: bool = False


async def watch_lines(
    api: ApiClient,
    resource: Resource[ObjectT],
    path: str,
    query: Mapping[str, str],
    *,
    seconds: int,
    silence: float,
    rows: RowForm[ObjectT] | None = None,
) -> AsyncGenerator[WatchLine[ObjectT], None]:
    """Yields the events of a watch, until the server ends the watch.

    seconds: how long the watch lasts; the server may add up to `GRACE` seconds. silence: seconds
    without data until the connection counts as dead. rows: request Tables, and build the objects
    from their rows; raises NoSuchColumn if a Table lacks the column. Raises KubeError, also for an
    ERROR event. Close the iterator if you leave it early.
    """
    where = f"{api.access.server}{path}"
    whole = {
        **query,
        "watch": "true",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(seconds),
    }
    limits = ResponseLimits(total=seconds + GRACE, body=_LONGEST_LINE, silence=silence)
    reader, accept = None, APPLICATION_JSON
    if rows is not None:
        reader, accept = RowReader(rows), AS_TABLE
        whole |= METADATA_ONLY
    lines = api.lines(path, query=whole, limits=limits, accept=accept)
    async with contextlib.aclosing(lines):
        async for line in lines:
            yield _word(line, resource, reader, api.access.server, where)


def _word(
    line: bytes,
    resource: Resource[Any],
    reader: RowReader[Any] | None,
    server: str,
    where: str,
) -> WatchLine[Any]:
    event = decoded(line, _Line, where)
    if event.type == "ERROR":
        body = bytes(event.object)
        code = decoded(body, _Code, where).code
        raise refusal(server, api_call("WATCH", resource.path()), code or 500, {}, body)
    if event.type not in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK"):
        raise BadResponse(where, "an event of an unknown type")
    if event.type == "BOOKMARK":
        bookmark = decoded(bytes(event.object), Object, where)
        table = reader.table(bytes(event.object), where) if reader is not None else None
        marks = [bookmark, *(row.object for row in table.rows)] if table else [bookmark]
        ends_list = any(each.metadata.annotations.get(_ENDS_LIST) == "true" for each in marks)
        return WatchLine(event.type, bookmark.metadata.resource_version, ends_list=ends_list)
    try:
        if reader is not None:
            found = reader.one(bytes(event.object), where)
        else:
            found = decoded(bytes(event.object), resource.struct, where)
    except NoSuchColumn:
        raise
    except BadResponse as error:
        return WatchLine("", "", None, error)
    return WatchLine(event.type, found.metadata.resource_version, found)
