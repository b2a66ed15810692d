"""Answers that are not a success, as errors: by status code, `kind: Status` body, or what else came instead.

The text of an answer is somebody else's: it is cut, and nothing that moves a cursor gets through.
"""

from typing import Final

import msgspec

from kubevouch.kube.asked import Asked
from kubevouch.kube.errors import (
    Cause,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    KubeError,
    NotAnApiServer,
    NotFound,
    Refused,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Waits,
    printable,
)
from kubevouch.kube.resources.meta import Narrow

MAX_TEXT: Final = 500
_RIGHT: Final = "the URL of an API server was expected (kubeconfig: clusters.cluster.server)"

_CLASSES: Final[dict[int, type[Refused]]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}


class StatusCause(Narrow, frozen=True, kw_only=True):
    """One field that was refused."""

    reason: str | None = None
    message: str | None = None
    field: str | None = None


class StatusDetails(Narrow, frozen=True, kw_only=True):
    """More about a failure."""

    causes: tuple[StatusCause, ...] | None = None
    retry_after_seconds: int | None = None


class Status(Narrow, frozen=True, kw_only=True):
    """`kind: Status`, how the API server says no."""

    kind: str = ""
    message: str | None = None
    reason: str | None = None
    details: StatusDetails | None = None


def told(text: str) -> str:
    """What a server told, on one line of at most 500 characters."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= MAX_TEXT else line[:MAX_TEXT] + "..."


def refusal(
    server: str, asked: Asked, code: int, headers: dict[str, str], body: bytes
) -> KubeError:
    """The error for an answer with a status code other than 2xx. `headers` by lower-case name."""
    if code < 400:
        to = told(headers.get("location", ""))
        seen = f"answers with a redirect ({code})" + (f" to {to}" if to else "")
        return NotAnApiServer(server, seen, _RIGHT)
    status = _status(body)
    if status is None and (strange := _stranger(server, code, headers, body)):
        return strange
    message = told((status.message or "") if status else body.decode(errors="replace"))
    kind = _CLASSES.get(code, ServerError if code >= 500 else Refused)
    error = kind(
        server,
        f"cannot {asked.verb} {_what(asked)}: {message or 'no reason given'}",
        _advice(kind, asked, code),
        code=code,
        reason=(status.reason or "") if status else "",
        message=message,
        verb=asked.verb,
        resource=asked.resource,
    )
    if isinstance(error, Waits):
        error.retry_after = _retry_after(headers, status)
    if isinstance(error, Invalid) and status and status.details:
        error.causes = tuple(
            Cause(cause.field or "", cause.reason or "", told(cause.message or ""))
            for cause in status.details.causes or ()
        )
    return error


def _status(body: bytes) -> Status | None:
    try:
        status = msgspec.json.decode(body, type=Status)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return status if status.kind == "Status" else None


def _stranger(
    server: str, code: int, headers: dict[str, str], body: bytes
) -> NotAnApiServer | None:
    """Something else that answers there. A load balancer's page of a 5xx is not: the server behind it may be one."""
    if b"HTTP request to an HTTPS server" in body:
        expected = "put https:// before the address in the kubeconfig"
        return NotAnApiServer(server, "speaks TLS, and was asked without", expected)
    if code < 500 and "html" in headers.get("content-type", ""):
        return NotAnApiServer(server, f"answers with a web page ({code})", _RIGHT)
    return None


def web_page(server: str, headers: dict[str, str]) -> NotAnApiServer:
    """The error for a success that is not in the form that was asked for."""
    form = told(headers.get("content-type", "")) or "no content type"
    return NotAnApiServer(server, f"answers in another form than JSON ({form})", _RIGHT)


def _what(asked: Asked) -> str:
    name = f' "{asked.name}"' if asked.name else ""
    space = f' in namespace "{asked.namespace}"' if asked.namespace else ""
    return told(f"{asked.resource}{name}{space}")


def _advice(kind: type[Refused], asked: Asked, code: int) -> str:
    if kind is Unauthorized:
        return "the credential of this context is missing, unknown to the server or expired"
    if kind is Forbidden:
        return f'a Role must allow "{asked.verb}" on "{asked.resource}"'
    return f"HTTP {code}" if kind in (Refused, ServerError) else ""


def _retry_after(headers: dict[str, str], status: Status | None) -> float | None:
    """Seconds; the form with a date is not used by API servers."""
    text = headers.get("retry-after", "")
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return float(text)
    if status and status.details and status.details.retry_after_seconds:
        return float(status.details.retry_after_seconds)
    return None
