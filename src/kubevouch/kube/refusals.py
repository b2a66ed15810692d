"""Turns error responses into errors: by status code and by the body, which may be a `kind: Status`.

A response's text may be hostile, so we shorten it and replace its control characters.
"""

import re
from typing import Final

import msgspec

from kubevouch.kube.api_call import ApiCall
from kubevouch.kube.errors import (
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    KubeError,
    NotAnApiServer,
    NotFound,
    RetryLater,
    ServerError,
    StatusError,
    TooManyRequests,
    Unauthorized,
    plain_line,
)
from kubevouch.kube.resources.meta import Narrow

MAX_TEXT: Final = 500
_EXPECTED: Final = "expected the URL of an API server (kubeconfig: clusters.cluster.server)"

_CLASSES: Final[dict[int, type[StatusError]]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}

_QUOTED: Final = r'"(?:[^"\\]++|\\.)*+"'
_NOT_AUTHORIZED: Final = re.compile(
    rf'(?:[a-z0-9.-]+ (?:{_QUOTED} )?is )?forbidden: User {_QUOTED} cannot \S+ (?:resource|path) "'
)
"""Matches the start of the message if authorization rejected the request (ForbiddenStatusError in
apiserver's responsewriters/errors.go). If admission rejected the request (a terminating namespace,
Pod Security, a webhook), the message is different, and a Role would not help."""


class StatusDetails(Narrow, frozen=True, kw_only=True):
    """The `details` of a Status."""

    retry_after_seconds: int | None = None


class Status(Narrow, frozen=True, kw_only=True):
    """A response of `kind: Status`, which describes an error."""

    kind: str = ""
    message: str | None = None
    reason: str | None = None
    details: StatusDetails | None = None


def short_line(text: str) -> str:
    """A server's text on one line of at most 500 characters."""
    line = plain_line(" ".join(text.split()))
    return line if len(line) <= MAX_TEXT else line[:MAX_TEXT] + "..."


def refusal(
    server: str, call: ApiCall, code: int, headers: dict[str, str], body: bytes
) -> KubeError:
    """The error for a response whose status code is not 2xx. headers: with names in lower case."""
    if code < 400:
        to = short_line(headers.get("location", ""))
        seen = f"answers with a redirect ({code})" + (f" to {to}" if to else "")
        return NotAnApiServer(server, seen, _EXPECTED)
    status = _status(body)
    if status is None and (strange := _no_api_server(server, code, headers, body)):
        return strange
    text = (status.message or "") if status else body.decode(errors="replace")
    message = short_line(text)
    kind = _CLASSES.get(code, ServerError if code >= 500 else StatusError)
    lacks_rights = kind is Forbidden and bool(_NOT_AUTHORIZED.match(text))
    error = kind(
        server,
        f"cannot {call.verb} {_named(call)}: {message or 'no reason given'}",
        _advice(kind, call, code, lacks_rights=lacks_rights),
        code=code,
        reason=(status.reason or "") if status else "",
        message=message,
        verb=call.verb,
        resource=call.resource,
    )
    error.lacks_rights = lacks_rights
    if isinstance(error, RetryLater):
        error.retry_after = _retry_after(headers, status)
    return error


def _status(body: bytes) -> Status | None:
    try:
        status = msgspec.json.decode(body, type=Status)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return status if status.kind == "Status" else None


def _no_api_server(
    server: str, code: int, headers: dict[str, str], body: bytes
) -> NotAnApiServer | None:
    """The error if the response is certainly not from an API server; else None.

    A web page with status 5xx may come from the API server's load balancer.
    """
    if b"HTTP request to an HTTPS server" in body:
        expected = "put https:// before the address in the kubeconfig"
        return NotAnApiServer(server, "expects TLS, but the URL is http", expected)
    if code < 500 and "html" in headers.get("content-type", ""):
        return NotAnApiServer(server, f"answers with a web page ({code})", _EXPECTED)
    return None


def web_page(server: str, headers: dict[str, str]) -> NotAnApiServer:
    """The error for a successful response that is not JSON."""
    form = short_line(headers.get("content-type", "")) or "no content type"
    return NotAnApiServer(server, f"answers with something other than JSON ({form})", _EXPECTED)


def _named(call: ApiCall) -> str:
    name = f' "{call.name}"' if call.name else ""
    space = f' in namespace "{call.namespace}"' if call.namespace else ""
    return short_line(f"{call.resource}{name}{space}")


def _advice(kind: type[StatusError], call: ApiCall, code: int, *, lacks_rights: bool) -> str:
    if kind is Unauthorized:
        return "this context's credential is missing, expired or unknown to the server"
    if lacks_rights:
        return f'a Role must allow "{call.verb}" on "{call.resource}"'
    return f"HTTP {code}" if kind in (StatusError, ServerError) else ""


def _retry_after(headers: dict[str, str], status: Status | None) -> float | None:
    """Seconds to wait before a retry, from the Retry-After header or the Status.

    API servers never send a date in Retry-After.
    """
    text = headers.get("retry-after", "")
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return float(text)
    if status and status.details and status.details.retry_after_seconds:
        return float(status.details.retry_after_seconds)
    return None
