"""Chooses a media type by the Accept header (apiserver's pkg/endpoints/handlers/negotiation)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from kubevouch.serve.messages import HttpRequest, HttpResponse
from kubevouch.serve.statuses import status_response

_MOST: Final = 32
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type with its parameters. The parameters `as`, `g` and `v` are the target kind, group and version."""

    media: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def converts_to(self) -> str:
        """The kind to convert to, such as `Table.v1.meta.k8s.io`; "" for no conversion."""
        said = self.parameters
        if "as" not in said:
            return ""
        return ".".join((said["as"], said.get("v", ""), said.get("g", "")))

    @property
    def accepts_json(self) -> bool:
        """Whether this media type includes JSON."""
        return self.media in {_JSON, "*/*", "application/*"}


def accepted(request: HttpRequest, kinds: Sequence[str]) -> MediaType | None:
    """The JSON media type that the client prefers; None if the client accepts none.

    kinds: the kinds to which we can convert a response.
    """
    forms = media_types(",".join(request.headers.get("accept", ())))
    if not forms:
        return MediaType(_JSON)
    return next(
        (
            each
            for each in forms
            if each.accepts_json and (not each.converts_to or each.converts_to in kinds)
        ),
        None,
    )


def not_accepted() -> HttpResponse:
    """406: the client accepts no media type that we serve."""
    text = f"only the following media types are accepted: {_JSON}"
    return status_response(406, "NotAcceptable", text, {})


def media_types(header: str) -> tuple[MediaType, ...]:
    """The media types in an Accept header (RFC 9110, 12.5.1), most preferred first; invalid entries are skipped."""
    ranked: list[tuple[float, MediaType]] = []
    for part in header.split(",")[:_MOST]:
        media, *rest = (piece.strip() for piece in part.split(";"))
        if "/" not in media:
            continue
        pairs = (piece.partition("=") for piece in rest)
        parameters = {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}
        quality = _quality(parameters.pop("q", "1"))
        if quality > 0:
            ranked.append((quality, MediaType(media.lower(), parameters)))
    return tuple(form for _, form in sorted(ranked, key=lambda each: -each[0]))


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
