"""The forms of a response: objects themselves, Tables, or their metadata only.

apiserver's handlers/response.go (asTable, asPartialObjectMetadata) and metrics-server's pkg/api/table.go.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from kubevouch.metrics.serving.objects import API_VERSION, Item
from kubevouch.serve.indented import in_lines, wants_lines
from kubevouch.serve.messages import HttpRequest, HttpResponse
from kubevouch.serve.negotiation import MediaType, accepted, not_accepted
from kubevouch.serve.statuses import bad_request, wrong_form
from kubevouch.x509.gotext import quote

_META: Final = "meta.k8s.io"
_VERSIONS: Final = ("v1", "v1beta1")
_TABLE: Final = "Table"
_PARTIAL: Final = "PartialObjectMetadata"
CONVERTED: Final = tuple(
    f"{kind}.{version}.{_META}"
    for kind in (_TABLE, _PARTIAL, f"{_PARTIAL}List")
    for version in _VERSIONS
)
"""What objects can be converted to."""
_INCLUDED: Final = ("", "None", "Metadata", "Object")
"""The values of includeObject: how much of its object a row carries. "" means Metadata."""

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
    """How objects are written: each of them, the text around and between them, and the whole text of an empty list."""

    begin: str
    write: Callable[[Item], str]
    end: str
    nothing: str
    between: str = ","

    def in_lines(self) -> "Form":
        """The same, indented for people."""
        before, after = in_lines(f"{self.begin}0{self.end}").rsplit("0", 1)
        margin = before[before.rfind("\n") :] if "\n" in before else "\n"
        write = self.write
        return Form(
            before,
            lambda each: in_lines(write(each)).replace("\n", margin),
            after,
            in_lines(self.nothing) if self.nothing else "",
            f",{margin}",
        )


def negotiated(request: HttpRequest) -> MediaType | HttpResponse:
    """The form that the request prefers of those that are served, or the refusal."""
    return accepted(request, CONVERTED) or not_accepted(request)


def form_of(
    media: MediaType, request: HttpRequest, kind: str, *, single: bool
) -> Form | HttpResponse:
    """The form to write objects of this kind in, as a list or one alone; or the refusal."""
    found = _form_in_one_line(media, request, kind, single=single)
    if isinstance(found, Form) and wants_lines(request, media):
        return found.in_lines()
    return found


def _form_in_one_line(
    media: MediaType, request: HttpRequest, kind: str, *, single: bool
) -> Form | HttpResponse:
    if not media.converts_to:
        return _itself(kind) if single else _list(kind)
    wanted, _, _ = media.converts_to.partition(".")
    version = f"{_META}/{media.parameters['v']}"
    if wanted == _TABLE:
        include = request.query_value("includeObject")
        if include not in _INCLUDED:
            return bad_request(
                f"Unable to convert to Table as requested: includeObject: Invalid value: {quote(include)}: "
                "must be 'Metadata', 'Object', 'None', or empty"
            )
        return _table(version, include)
    if single is (wanted == _PARTIAL):
        return _partial(version, single=single)
    what = (
        f"a list (*metrics.{kind}List)" if wanted == _PARTIAL else f"not a list (*metrics.{kind})"
    )
    return wrong_form(f"you requested {wanted}, but the requested object is {what}")


def _itself(kind: str) -> Form:
    head = f'{{"kind":"{kind}","apiVersion":"{API_VERSION}","metadata":'
    return Form("", lambda each: f"{head}{each.metadata()},{each.fields()}}}", "\n", "")


def _list(kind: str) -> Form:
    begin = f'{{"kind":"{kind}List","apiVersion":"{API_VERSION}","metadata":{{}},"items":['
    return Form(
        begin,
        lambda each: f'{{"metadata":{each.metadata()},{each.fields()}}}',
        "]}\n",
        f"{begin}]}}\n",
    )


def _table(version: str, include: str) -> Form:
    begin = f'{{"kind":"{_TABLE}","apiVersion":"{version}","metadata":{{}},"columnDefinitions":'
    row: Callable[[Item], str]
    if include == "Object":

        def row(each: Item) -> str:
            kind = f'"kind":"{each.kind}","apiVersion":"{API_VERSION}"'
            carried = f'{{{kind},"metadata":{each.metadata()},{each.fields()}}}'
            return f'{{"cells":[{each.cells()}],"object":{carried}}}'
    elif include == "None":

        def row(each: Item) -> str:
            return f'{{"cells":[{each.cells()}],"object":null}}'
    else:
        head = _partial_head(version)

        def row(each: Item) -> str:
            return f'{{"cells":[{each.cells()}],"object":{head}{each.metadata()}}}}}'

    # Without rows there are no columns either.
    return Form(f'{begin}{_COLUMNS},"rows":[', row, "]}\n", f'{begin}null,"rows":null}}\n')


def _partial(version: str, *, single: bool) -> Form:
    head = _partial_head(version)
    if single:
        return Form("", lambda each: f"{head}{each.metadata()}}}", "\n", "")
    begin = f'{{"kind":"{_PARTIAL}List","apiVersion":"{version}","metadata":{{}},"items":'
    return Form(f"{begin}[", lambda each: f"{head}{each.metadata()}}}", "]}\n", f"{begin}null}}\n")


def _partial_head(version: str) -> str:
    return f'{{"kind":"{_PARTIAL}","apiVersion":"{version}","metadata":'
