"""Bodies of a kind as they may be kept: a wrong type is refused, an unknown field under fieldValidation=Strict.

Else an unknown field is left out, in silence: there are no warnings. Sources: apiserver's
pkg/endpoints/handlers/{create,patch}.go.
"""

from collections.abc import Callable, Mapping

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.apiserver.schema.strict import WrongType, checked
from kubevouch_lab.objects import Object

_DIRECTIVES = ("Ignore", "Strict", "Warn")


def body_kind(kind: Kind, info: RequestInfo) -> tuple[str, str]:
    """ApiVersion and kind of what a path takes: those of its subresource, if that has its own."""
    below = kind.subresource(info.subresource) if info.subresource else None
    if below is None or not below.kind:
        return kind.api_version, kind.kind
    version = f"{below.group}/{below.version}" if below.group else kind.api_version
    return version, below.kind


def known_body(kind: Kind, info: RequestInfo, query: Mapping[str, str], thing: Object) -> Object:
    """A whole object as it may be kept; raises a StatusError 400."""
    try:
        return _known(kind, info, query, thing)
    except WrongType as error:
        version, name = body_kind(kind, info)
        short = version.rpartition("/")[2]
        text = f'{name} in version "{short}" cannot be handled as a {name}: {error}'
        raise status.bad_request(text) from None


def known_patch(
    kind: Kind, info: RequestInfo, query: Mapping[str, str], change: Callable[[Object], Object]
) -> Callable[[Object], Object]:
    """The same change, its outcome checked: 422."""

    def checked_change(before: Object) -> Object:
        try:
            return _known(kind, info, query, change(before))
        except WrongType as error:
            cause = ("FieldValueInvalid", "patch", f"Invalid value: {error}")
            raise status.invalid("", "", "", [cause]) from None

    return checked_change


def _known(kind: Kind, info: RequestInfo, query: Mapping[str, str], thing: Object) -> Object:
    directive = query.get("fieldValidation") or "Warn"
    if directive not in _DIRECTIVES:
        supported = ", ".join(f'"{one}"' for one in _DIRECTIVES)
        text = f'Unsupported value: "{directive}": supported values: {supported}'
        cause = ("FieldValueNotSupported", "fieldValidation", text)
        raise status.invalid("meta.k8s.io", "Options", "", [cause])
    found = checked(*body_kind(kind, info), thing)
    if directive == "Strict" and found.unknown:
        raise WrongType(f"strict decoding error: {', '.join(found.unknown)}")
    return found.body
