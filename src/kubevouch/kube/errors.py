"""What this room raises. The class says what the caller can do about it.

`where` is the API server's URL, or the file and field of a kubeconfig.
"""

from dataclasses import dataclass
from enum import StrEnum

from kubevouch.errors import KubevouchError, UsageError


def printable(text: str) -> str:
    """The same on one line, without what could move a terminal's cursor: files and servers chose some of it."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)


class KubeconfigError(UsageError):
    """A kubeconfig, or what it points to, is not usable. Whoever wrote it can mend it."""

    def __init__(self, where: str, seen: str, expected: str = "") -> None:
        super().__init__(printable(where), printable(seen), printable(expected))


class KubeError(KubevouchError):
    """The API server did not do what was asked."""

    def __init__(self, where: str, seen: str, expected: str = "") -> None:
        super().__init__(printable(where), printable(seen), printable(expected))


class CredentialError(KubeError):
    """No credential could be had: a token file that is gone, an exec plugin that failed. Nothing was sent."""


class UnreachableKind(StrEnum):
    """Where a request got stuck."""

    DNS = "dns"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    RESET = "reset"
    """The connection broke: before the answer, or in the middle of it."""
    SILENCE = "silence"
    """An answer that comes line by line came no further in time."""
    NETWORK = "network"
    """No route, or this machine could not even try."""
    PROXY = "proxy"


class ApiUnreachable(KubeError):
    """No whole answer. Trying again may help."""

    def __init__(self, where: str, seen: str, expected: str = "", *, kind: UnreachableKind) -> None:
        super().__init__(where, seen, expected)
        self.kind = kind


class ApiTlsError(KubeError):
    """The handshake failed: the server's certificate is not trusted, or ours is not wanted."""


class NotAnApiServer(KubeError):
    """Something answers there, but no API server: plain HTTP, a web page, a redirect."""


class BadResponse(KubeError):
    """An answer that is not what was asked for: JSON that cannot be decoded, or a body cut short."""


class ResponseTooLarge(KubeError):
    """An answer longer than the caller allowed. The rest was not read."""


@dataclass(frozen=True)
class FieldCause:
    """One field of an object that the API server refused: `field` is a path such as `spec.usages`."""

    field: str
    reason: str
    message: str


class StatusError(KubeError):
    """An answer with a status of 400 and above.

    code: the HTTP status. reason: the machine-readable word of a `kind: Status` answer, or "".
    message: the server's own words. verb and resource: what was asked, as RBAC writes it.
    """

    def __init__(
        self,
        where: str,
        seen: str,
        expected: str = "",
        *,
        code: int,
        reason: str = "",
        message: str = "",
        verb: str = "",
        resource: str = "",
    ) -> None:
        super().__init__(where, seen, expected)
        self.code = code
        self.reason = reason
        self.message = message
        self.verb = verb
        self.resource = resource


class Unauthorized(StatusError):
    """401: the credential is missing, unknown or expired. Another one is needed."""


class Forbidden(StatusError):
    """403: known, but not allowed to. A Role is needed for `verb` and `resource`, or an admission rule said no."""


class NotFound(StatusError):
    """404: no such object, or no such resource (an API group that is not installed or not available)."""


class Conflict(StatusError):
    """409: the object has changed since it was read, or exists already. Read again and decide again."""


class Gone(StatusError):
    """410: the version asked for is too old. List anew."""


class Invalid(StatusError):
    """422: the object breaks a rule. `causes` say which field. Sending it again will not help."""

    causes: tuple[FieldCause, ...] = ()


class RetryLater(StatusError):
    """The server asks to come back later. `retry_after` is in seconds, None where it did not say."""

    retry_after: float | None = None


class TooManyRequests(RetryLater):
    """429: more than the server's priority and fairness rules let through."""


class ServerError(RetryLater):
    """5xx: the server, or something it stands before, failed. `message` tells what, for example of a kubelet."""
