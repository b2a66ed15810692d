"""The fieldValidation parameter: what becomes of fields that a kind does not have.

Strict refuses, Warn (the default) says so in a Warning header, Ignore is silent; kept are they never. A value of the
wrong type is refused always. Sources: apiserver's pkg/endpoints/handlers/{create,patch}.go, apimachinery's
pkg/api/errors and pkg/util/net/http.go.
"""

from collections.abc import Callable, Mapping

from aiohttp import web

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.openapi.strict import WrongType, checked
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.objects import Object

_DIRECTIVES = ("Ignore", "Warn", "Strict")


class FieldValidation:
    """For one request. warnings: what its answer has to say beside."""

    def __init__(self, kind: Kind, info: RequestInfo, query: Mapping[str, str]) -> None:
        below = kind.subresource(info.subresource) if info.subresource else None
        self._kind, self._api_version = kind.kind, kind.api_version
        if below is not None and below.kind:
            group = f"{below.group}/{below.version}" if below.group else below.version
            self._kind, self._api_version = below.kind, group or kind.api_version
        self._directive = query.get("fieldValidation") or "Warn"
        self.warnings: tuple[str, ...] = ()
        if self._directive not in _DIRECTIVES:
            supported = ", ".join(f'"{one}"' for one in sorted(_DIRECTIVES))
            text = f'Unsupported value: "{self._directive}": supported values: {supported}'
            cause = ("FieldValueNotSupported", "fieldValidation", text)
            raise status.invalid("meta.k8s.io", "Options", "", [cause])

    def body(self, thing: Object) -> Object:
        """A whole object as it may be kept; raises a StatusError 400."""
        try:
            found = checked(self._api_version, self._kind, thing)
        except WrongType as error:
            raise self._not_handled(str(error)) from None
        if self._directive == "Strict" and found.unknown:
            raise self._not_handled(found.strict_error)
        self._warn(found.unknown)
        return found.body

    def patch(
        self, change: Callable[[Object], Object], shown: object
    ) -> Callable[[Object], Object]:
        """The same change, its outcome checked: 422. shown: the patch, as the error shows it in Go's form."""

        def checked_change(before: Object) -> Object:
            after = change(before)
            try:
                found = checked(self._api_version, self._kind, after)
            except WrongType as error:
                raise _in_patch(shown, str(error)) from None
            known = set(self._of(before)) if found.unknown else ()
            unknown = tuple(one for one in found.unknown if one not in known)
            if self._directive == "Strict" and unknown:
                raise _in_patch(shown, f"strict decoding error: {', '.join(unknown)}")
            self._warn(unknown)
            return found.body

        return checked_change

    def say(self, response: web.StreamResponse) -> None:
        """Writes the warnings into an answer's headers."""
        for text in self.warnings:
            escaped = text.replace("\\", "\\\\").replace('"', '\\"')
            response.headers.add("Warning", f'299 - "{escaped}"')

    def _of(self, before: Object) -> tuple[str, ...]:
        """What was unknown before the patch is not the patch's fault."""
        try:
            return checked(self._api_version, self._kind, before).unknown
        except WrongType:
            return ()

    def _warn(self, unknown: tuple[str, ...]) -> None:
        if self._directive == "Warn":
            self.warnings = unknown

    def _not_handled(self, why: str) -> status.StatusError:
        version = self._api_version.rpartition("/")[2]
        return status.bad_request(
            f'{self._kind} in version "{version}" cannot be handled as a {self._kind}: {why}'
        )


def _in_patch(shown: object, why: str) -> status.StatusError:
    text = f'Invalid value: "{in_go(shown)}": {why}'
    return status.invalid("", "", "", [("FieldValueInvalid", "patch", text)])


def in_go(value: object) -> str:
    """A decoded JSON value as Go's `%+v` prints it: `map[a:1 b:[x y]]`."""
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{in_go(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(in_go, value)) + "]"
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)
