"""The errors of this package. Each class calls for a different reaction by the caller.

`where` is the API server's URL, or the file and field of a kubeconfig.
"""

from kubevouch.errors import KubevouchError, UsageError


def plain_line(text: str) -> str:
    """The text on one line, with unprintable characters replaced.

    Text from a file or a server may contain control characters.
    """
    # The usual case, without a check of each character.
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)


class KubeconfigError(UsageError):
    """A kubeconfig, or a file that it names, cannot be used and must be corrected."""

    def __init__(self, where: str, seen: str, expected: str = "") -> None:
        super().__init__(plain_line(where), plain_line(seen), plain_line(expected))


class KubeError(KubevouchError):
    """A request to the API server failed."""

    def __init__(self, where: str, seen: str, expected: str = "") -> None:
        super().__init__(plain_line(where), plain_line(seen), plain_line(expected))


class CredentialError(KubeError):
    """No credential is available: a token file is missing, or an exec plugin failed. No request was sent."""


class ApiUnreachable(KubeError):
    """The API server sent no complete response. Trying again may help."""


class BrokenOff(ApiUnreachable):
    """The connection broke before or during the response. The server may have processed the request."""


class FellSilent(BrokenOff):
    """A watch received no data for too long."""


class ApiTlsError(KubeError):
    """The TLS handshake failed: the server's certificate is not trusted, or the server rejected our client certificate."""


class NotSent(KubeError):
    """A request was cancelled before its first byte was sent."""


class NotAnApiServer(KubeError):
    """The peer is not an API server: it responds with plain HTTP, a web page or a redirect."""


class BadResponse(KubeError):
    """The response cannot be decoded, or its body is incomplete."""


class ResponseTooLarge(KubeError):
    """The response is longer than the caller allows. The rest was not read."""


class StatusError(KubeError):
    """A response with an HTTP status of 400 or above.

    code: the HTTP status code. reason: the `reason` of a `kind: Status` response, or "". message:
    the server's own text. verb, resource: those of the request, as in an RBAC rule.
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
    """401: the credential is missing, unknown or expired."""


class Forbidden(StatusError):
    """403: no Role allows the user `verb` on `resource`, or admission rejected the request."""


class NotFound(StatusError):
    """404: the object does not exist, or its API group is not installed or not available."""


class Conflict(StatusError):
    """409: the object has changed since it was read, or it exists already. Read it again, then decide again."""


class Gone(StatusError):
    """410: the resourceVersion is too old. List again."""


class Invalid(StatusError):
    """422: the object is invalid. Sending it again does not help."""


class RetryLater(StatusError):
    """The request can be retried later. `retry_after`: seconds to wait, or None if unknown."""

    retry_after: float | None = None


class TooManyRequests(RetryLater):
    """429: the server's priority and fairness rules rejected the request."""


class ServerError(RetryLater):
    """5xx: the server, or a kubelet or API service behind it, failed. `message` has the reason."""
