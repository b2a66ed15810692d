"""What form an Accept header asks for (apiserver's pkg/endpoints/handlers/negotiation)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from kubevouch.serve.messages import Request

_MOST: Final = 32
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Form:
    """One media type with its parameters: as, g, v say which object is wanted in JSON."""

    media: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def converts_to(self) -> str:
        """`Table.v1.meta.k8s.io`, say; "" where the object itself is wanted."""
        said = self.parameters
        if "as" not in said:
            return ""
        return ".".join((said["as"], said.get("v", ""), said.get("g", "")))

    @property
    def takes_json(self) -> bool:
        """JSON is one of the things it takes."""
        return self.media in {_JSON, "*/*", "application/*"}


def accepted(request: Request, kinds: Sequence[str]) -> Form | None:
    """The first form, best first, that we have: plain JSON, or JSON of one of the kinds; None for none."""
    forms = wanted(",".join(request.headers.get("accept", ())))
    if not forms:
        return Form(_JSON)
    return next(
        (
            each
            for each in forms
            if each.takes_json and (not each.converts_to or each.converts_to in kinds)
        ),
        None,
    )


def wanted(header: str) -> tuple[Form, ...]:
    """An Accept header (RFC 9110, 12.5.1), best first; what is no media type is passed over."""
    ranked: list[tuple[float, Form]] = []
    for part in header.split(",")[:_MOST]:
        media, *rest = (piece.strip() for piece in part.split(";"))
        if "/" not in media:
            continue
        pairs = (piece.partition("=") for piece in rest)
        parameters = {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}
        quality = _quality(parameters.pop("q", "1"))
        if quality > 0:
            ranked.append((quality, Form(media.lower(), parameters)))
    return tuple(form for _, form in sorted(ranked, key=lambda each: -each[0]))


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
