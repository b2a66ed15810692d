"""What went wrong with a connection, as Go would say it.

kube-apiserver hands these words on (`error trying to reach service: …`), and people look for them.
Sources: Go's crypto/tls/alert.go, net/dial.go, net/http/transport.go.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Iterator

import aiohttp

# Alerts that Go calls by another name than OpenSSL.
_ALERTS = {
    "UNKNOWN_CA": "unknown certificate authority",
    "CERTIFICATE_EXPIRED": "expired certificate",
    "CERTIFICATE_REVOKED": "revoked certificate",
    "CERTIFICATE_UNKNOWN": "unknown certificate",
}
_NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"}
_ERRNOS = {
    errno.ECONNREFUSED: "connect: connection refused",
    errno.EHOSTUNREACH: "connect: no route to host",
    errno.ENETUNREACH: "connect: network is unreachable",
    errno.ETIMEDOUT: "connect: connection timed out",
}


class NotTrusted(ssl.SSLError):
    """A certificate that Go's verifier refuses; `text` is Go's."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def go_error_text(error: BaseException, address: str) -> str:
    """The text of Go's error for the same failure. address: `<ip>:<port>` that was dialled."""
    for cause in _causes(error):
        text = _of_system(cause, address)
        if text:
            return text
    if isinstance(error, asyncio.TimeoutError):
        handshake = isinstance(error, aiohttp.ConnectionTimeoutError)
        return "net/http: TLS handshake timeout" if handshake else "context deadline exceeded"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError):
        return "EOF"
    return str(error) or type(error).__name__


def _of_system(cause: BaseException, address: str) -> str:
    """The words for one error of ssl or of the system; empty for others."""
    match cause:
        case NotTrusted():
            return cause.text
        case ssl.SSLError():
            return _tls(cause)
        case socket.gaierror():
            return f"dial tcp: lookup {address.rpartition(':')[0]}: no such host"
        case ConnectionResetError() | BrokenPipeError():
            return f"read tcp {address}: read: connection reset by peer"
        case OSError(errno=number) if number in _ERRNOS:
            return f"dial tcp {address}: {_ERRNOS[number]}"
    return ""


def _tls(error: ssl.SSLError) -> str:
    reason = error.reason or ""
    if "_ALERT_" in reason:
        name = reason.partition("_ALERT_")[2]
        return f"remote error: tls: {_ALERTS.get(name, name.lower().replace('_', ' '))}"
    if reason in _NO_TLS:
        return "tls: first record does not look like a TLS handshake"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or "EOF" in reason:
        return "EOF"
    return f"tls: {reason.lower().replace('_', ' ') or error}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What lies under it: aiohttp wraps errors of the system, and of TLS, in several ways."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        each = waiting.pop(0)
        if each in seen:
            continue
        seen.append(each)
        under = (
            getattr(each, "os_error", None),
            getattr(each, "certificate_error", None),
            each.__cause__,
            each.__context__,
        )
        waiting += [cause for cause in under if isinstance(cause, BaseException)]
    # The innermost says most: a ConnectionRefusedError under a ClientConnectorError.
    yield from reversed(seen)
