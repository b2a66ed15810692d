"""Objects, lists and errors as HTTP answers, in the form that the client accepts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import msgspec
from aiohttp import web

from kubevouch_lab.apiserver.accept import JSON, wanted_form
from kubevouch_lab.apiserver.forms import outward
from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.listing import ListPage
from kubevouch_lab.apiserver.status import StatusError
from kubevouch_lab.apiserver.tables.table import IncludeObject, partial, table_for
from kubevouch_lab.objects import Object

_INCLUDED: Mapping[str, IncludeObject] = {"None": "None", "Object": "Object"}


class Answers:
    """Makes answers. now: ages in tables are told from it."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    def object(
        self, kind: Kind, thing: Object, request: web.Request, code: int = 200
    ) -> web.Response:
        """One object."""
        return encoded(self.formed(kind, thing, request), code)

    def formed(
        self, kind: Kind, thing: Object, request: web.Request, *, headers: bool = True
    ) -> Object:
        """One object in the form that is wanted; a Status and a Scale stay as they are. headers: a Table's columns."""
        form, thing = _form(request), outward(kind, thing)
        if not form or thing.get("kind") in {"Status", "Scale"}:
            return thing
        if form == "Table":
            metadata = {"resourceVersion": thing["metadata"].get("resourceVersion", "")}
            return self._table(kind, [thing], request, metadata, headers=headers)
        return partial(thing)

    def list(self, kind: Kind, page: ListPage, request: web.Request) -> web.Response:
        """A list, or its page."""
        form, metadata = _form(request), page.metadata()
        if kind.stored_as:
            page = replace(page, items=[outward(kind, each) for each in page.items])
        if form == "Table":
            return encoded(self._table(kind, page.items, request, metadata, headers=True))
        if form:
            named = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
            return encoded({**named, "metadata": metadata, "items": list(map(partial, page.items))})
        return encoded(page.body(kind))

    def _table(
        self,
        kind: Kind,
        things: Sequence[Object],
        request: web.Request,
        metadata: Object,
        *,
        headers: bool,
    ) -> Object:
        included = _INCLUDED.get(request.query.get("includeObject", ""), "Metadata")
        return table_for(
            kind,
            things,
            list_metadata=metadata,
            include_object=included,
            now=self._now(),
            headers=headers,
        )


def _form(request: web.Request) -> str:
    return wanted_form(",".join(request.headers.getall("Accept", [])))


def encoded(
    body: Object, code: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A response with a body in JSON."""
    return web.Response(
        status=code, body=msgspec.json.encode(body), content_type=JSON, headers=headers
    )


def refusal(error: StatusError) -> web.Response:
    """A Status error as an answer."""
    return encoded(error.body(), error.code, error.headers)


def not_found() -> web.Response:
    """A path that nobody serves: Go's http.NotFound."""
    return text("404 page not found\n", 404)


def text(body: str, code: int = 200) -> web.Response:
    """Plain text, as Go writes it."""
    headers = {"X-Content-Type-Options": "nosniff"}
    return web.Response(status=code, text=body, content_type="text/plain", headers=headers)
