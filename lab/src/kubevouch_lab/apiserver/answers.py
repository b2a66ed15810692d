"""Objects, lists and errors as HTTP answers, in the form that the client accepts."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec
from aiohttp import web

from kubevouch_lab.apiserver.accept import JSON, Wanted
from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.listing import ListPage
from kubevouch_lab.apiserver.status import StatusError
from kubevouch_lab.apiserver.tables import IncludeObject, table_for
from kubevouch_lab.objects import Object


class Answers:
    """Makes answers. now: ages in tables are told from it."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    def object(
        self,
        kind: Kind,
        thing: Object,
        wanted: Wanted,
        query: Mapping[str, str],
        code: int = 200,
    ) -> web.Response:
        """One object."""
        return encoded(self.formed(kind, thing, wanted, query), code)

    def formed(
        self,
        kind: Kind,
        thing: Object,
        wanted: Wanted,
        query: Mapping[str, str],
        *,
        headers: bool = True,
    ) -> Object:
        """One object in the form that is wanted; a Status stays as it is. headers: with a Table's columns."""
        if not wanted.form or thing.get("kind") == "Status":
            return thing
        if wanted.form == "Table":
            metadata = {"resourceVersion": _version(thing)}
            return self._table(kind, [thing], wanted, query, metadata, headers=headers)
        return _partial(thing, wanted)

    def list(
        self, kind: Kind, page: ListPage, wanted: Wanted, query: Mapping[str, str]
    ) -> web.Response:
        """A list, or its page."""
        if wanted.form == "Table":
            return encoded(self._table(kind, page.items, wanted, query, page.metadata()))
        if wanted.form:
            items = [_partial(item, wanted) for item in page.items]
            named = {
                "kind": "PartialObjectMetadataList",
                "apiVersion": f"meta.k8s.io/{wanted.version}",
            }
            return encoded({**named, "metadata": page.metadata(), "items": items})
        return encoded(page.body(kind))

    def _table(
        self,
        kind: Kind,
        things: Sequence[Object],
        wanted: Wanted,
        query: Mapping[str, str],
        metadata: Object,
        *,
        headers: bool = True,
    ) -> Object:
        said = query.get("includeObject", "")
        included: IncludeObject | None = "Metadata"
        if said == "None":
            included = "None"
        elif said == "Object":
            included = "Object"
        return table_for(
            kind,
            things,
            list_metadata=metadata,
            include_object=included,
            now=self._now(),
            headers=headers,
            version=wanted.version,
        )


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


def _partial(thing: Object, wanted: Wanted) -> Object:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{wanted.version}",
        "metadata": thing["metadata"],
    }


def _version(thing: Object) -> str:
    version: str = thing["metadata"].get("resourceVersion", "")
    return version
