"""JSON in lines, for people: with ?pretty, `pretty=1` in Accept, or a client that people use (apiserver's isPrettyPrint)."""

from dataclasses import replace
from typing import Final

import msgspec

from kubevouch.serve.messages import HttpRequest, HttpResponse
from kubevouch.serve.negotiation import MediaType, accepted

_PEOPLE: Final = ("curl", "Wget", "Mozilla/5.0")
_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
"""strconv.ParseBool."""


def wants_lines(request: HttpRequest, media: MediaType | None = None) -> bool:
    """Whether JSON is to be indented. media: the form that was negotiated."""
    if media is not None and media.parameters.get("pretty") == "1":
        return True
    said = request.query_value("pretty")
    return said in _TRUE if said else request.header("user-agent").startswith(_PEOPLE)


def in_lines(text: str) -> str:
    """The JSON indented, as by Go's MarshalIndent."""
    return msgspec.json.format(text.encode(), indent=2).decode()


def as_wanted(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """A whole response in JSON, indented if the request wants that."""
    if not answer.body or answer.content_type != "application/json" or not wants_lines(request):
        return answer
    return replace(answer, body=in_lines(answer.body.decode()).encode())


def refusal_as_wanted(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """A refusal as apiserver's ErrorNegotiated writes it: in lines also for who accepts no form that is served."""
    if accepted(request, ()) is not None:
        return as_wanted(request, answer)
    return replace(answer, body=in_lines(answer.body.decode()).encode())
