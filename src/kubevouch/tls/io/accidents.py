"""Turns exceptions of asyncio, `ssl` and aiohttp into a `HandshakeFailure`.

Sources of Go's texts: Go's crypto/tls/conn.go, crypto/tls/handshake_client.go, net/net.go
(OpError), net/http/transport.go. tests/tls/cases/go-failures.json has Go's output.
"""

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kubevouch.tls import PROTOCOL_VERSION, Alert, FailureKind, HandshakeFailure, alert_of
from kubevouch.tls.io.identity import IdentityRefused
from kubevouch.x509 import printable


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known about a failed connection attempt.

    address: the peer's "host:port" (see `tls.joined`). local: our own "host:port"; empty if
    unknown. received: the first bytes from the peer, if known. mid_record: whether the peer's data
    ended inside a TLS record.
    """

    address: str
    connected: bool = False
    local: str = ""
    received: bytes = b""
    mid_record: bool = False


def failure_of(error: BaseException, attempt: Attempt) -> HandshakeFailure:
    """Converts an exception of asyncio, `ssl` or aiohttp to a HandshakeFailure."""
    for found in _causes(error):
        if isinstance(found, ssl.SSLError):
            return _of_tls(found, attempt)
        if isinstance(found, (socket.gaierror, ValueError, OverflowError)):
            return _of_lookup(found, attempt)
        if isinstance(found, OSError):
            return _of_system(found, attempt)
    return HandshakeFailure(FailureKind.BROKEN, type(error).__name__)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yields the errors wrapped in an aiohttp error, then the error itself, then its causes."""
    for inner in (getattr(error, "os_error", None), getattr(error, "certificate_error", None)):
        if isinstance(inner, BaseException):
            yield inner
    yield error
    if error.__cause__ is not None:
        yield from _causes(error.__cause__)


_ONCE_CONNECTED: Final = {errno.ECONNRESET, errno.EPIPE}
_UNREACHABLE: Final = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}
_OUR_SIDE: Final = {
    errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM,
    errno.EAFNOSUPPORT, errno.EINVAL,
}  # fmt: skip


def _of_system(error: OSError, attempt: Attempt) -> HandshakeFailure:
    if isinstance(error, TimeoutError):
        return _of_time(error, attempt)
    if error.errno is None:
        # asyncio's text for a peer that closed the connection during the handshake.
        return HandshakeFailure(
            FailureKind.ENDED, "closed the connection during the handshake", "EOF"
        )
    words = os.strerror(error.errno).lower()
    if attempt.connected or error.errno in _ONCE_CONNECTED:
        ends = f"{attempt.local}->{attempt.address}" if attempt.local else attempt.address
        return HandshakeFailure(FailureKind.RESET, words, f"read tcp {ends}: read: {words}")
    kind = FailureKind.RESET
    if error.errno == errno.ECONNREFUSED:
        kind = FailureKind.REFUSED
    elif error.errno in _UNREACHABLE:
        kind = FailureKind.UNREACHABLE
    elif error.errno in _OUR_SIDE:
        kind = FailureKind.OUR_SIDE
    # Go names the failed system call: socket(2) when out of files, else connect(2).
    call = "socket" if error.errno in (errno.EMFILE, errno.ENFILE) else "connect"
    return HandshakeFailure(kind, words, f"dial tcp {attempt.address}: {call}: {words}")


def _of_time(error: TimeoutError, attempt: Attempt) -> HandshakeFailure:
    if attempt.connected:
        return HandshakeFailure(
            FailureKind.HANDSHAKE_TIMEOUT,
            "accepted the connection, but did not complete the handshake in time",
            "net/http: TLS handshake timeout",
        )
    # With an errno the kernel gave up, otherwise our own time-out ended it.
    words = "connect: connection timed out" if error.errno == errno.ETIMEDOUT else "i/o timeout"
    return HandshakeFailure(
        FailureKind.CONNECT_TIMEOUT,
        "did not answer the connection request in time",
        f"dial tcp {attempt.address}: {words}",
    )


_LONGEST_HOST: Final = 400


def _of_lookup(
    error: socket.gaierror | ValueError | OverflowError, attempt: Attempt
) -> HandshakeFailure:
    host, _, port = attempt.address.rpartition(":")
    # A Node's address may be a megabyte long.
    host = printable(host if len(host) <= _LONGEST_HOST else f"{host[:_LONGEST_HOST]}...")
    if isinstance(error, OverflowError):
        words = f"address {port}: invalid port"
        return HandshakeFailure(FailureKind.NAME_UNKNOWN, "invalid port", f"dial tcp: {words}")
    words = "no such host"
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        words = "server misbehaving"
    return HandshakeFailure(FailureKind.NAME_UNKNOWN, words, f"dial tcp: lookup {host}: {words}")


def _of_tls(error: ssl.SSLError, attempt: Attempt) -> HandshakeFailure:
    if failure := _of_check(error):
        return failure
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return _ended(attempt)
    if alert := _alert(error, attempt):
        return _of_alert(alert)
    return _of_protocol(error.reason or "", attempt)


def _of_check(error: ssl.SSLError) -> HandshakeFailure | None:
    if isinstance(error, IdentityRefused):
        return HandshakeFailure(FailureKind.WRONG_IDENTITY, printable(str(error)))
    if isinstance(error, ssl.SSLCertVerificationError):
        return HandshakeFailure(
            FailureKind.NOT_TRUSTED, printable(f"OpenSSL: {error.verify_message}")
        )
    return None


_TOO_LONG: Final = "PACKET_LENGTH_TOO_LONG"
_FOREIGN: Final = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", _TOO_LONG}
_SOME_RECORD: Final = "RECORD_LAYER_FAILURE"
"""OpenSSL 3.2 and later add this generic error after the specific one, for any invalid record.
Python shows only the last error."""
_LONGEST_RECORD: Final = 16384 + 2048
"""The largest length in a TLS record's header (RFC 5246, 6.2.3; Go's maxCiphertext)."""


def _of_protocol(reason: str, attempt: Attempt) -> HandshakeFailure:
    if reason == "UNSUPPORTED_PROTOCOL":
        return HandshakeFailure(
            FailureKind.PROTOCOL_VERSION,
            "speaks neither TLS 1.2 nor 1.3",
            f"tls: server selected unsupported protocol version {_version_chosen(attempt):x}",
        )
    if attempt.received.startswith(b"HTTP/"):
        return HandshakeFailure(
            FailureKind.PLAIN_HTTP,
            "answers plain HTTP on this port",
            "http: server gave HTTP response to HTTPS client",
        )
    reason = _why_refused(reason, attempt.received)
    if reason in _FOREIGN and not _looks_like_tls(attempt.received):
        return HandshakeFailure(
            FailureKind.NOT_TLS,
            "does not speak TLS on this port",
            "tls: first record does not look like a TLS handshake",
        )
    words = reason.lower().replace("_", " ") or "unknown error"
    too_long = reason == _TOO_LONG and len(attempt.received) >= 5
    return HandshakeFailure(
        FailureKind.BROKEN,
        f"broken TLS handshake: {words}",
        f"tls: oversized record received with length {int.from_bytes(attempt.received[3:5])}"
        if too_long
        else "",
    )


def _why_refused(reason: str, received: bytes) -> str:
    """OpenSSL's reason for an invalid record; if that is generic, one derived from the record."""
    if reason != _SOME_RECORD or len(received) < 5:
        return reason
    if not _looks_like_tls(received):
        return "WRONG_VERSION_NUMBER"
    return _TOO_LONG if int.from_bytes(received[3:5]) > _LONGEST_RECORD else reason


def _of_alert(alert: Alert) -> HandshakeFailure:
    kind = FailureKind.PROTOCOL_VERSION if alert == PROTOCOL_VERSION else FailureKind.ALERT
    return HandshakeFailure(kind, f"answered with TLS alert {alert}", alert.go_text, alert)


def _ended(attempt: Attempt) -> HandshakeFailure:
    # Go distinguishes an end between two records from one within a record.
    words = "unexpected EOF" if attempt.mid_record else "EOF"
    return HandshakeFailure(FailureKind.ENDED, "closed the connection during the handshake", words)


def _alert(error: ssl.SSLError, attempt: Attempt) -> Alert | None:
    received = attempt.received
    # Before the key exchange an alert is plain: type 21, 2 bytes, fatal, its number.
    if received[:1] == b"\x15" and received[3:6] == b"\x00\x02\x02" and len(received) >= 7:
        return Alert(received[6])
    # A Python that does not know the alert leaves the reason empty, but keeps OpenSSL's text.
    words = error.args[1] if len(error.args) > 1 else ""
    spoken = str(words).rpartition("] ")[2].partition(" (_ssl.c")[0]
    return alert_of(error.reason or "") or alert_of(spoken)


def _looks_like_tls(received: bytes) -> bool:
    """Whether the first record passes the check in Go's readRecordOrCCS."""
    return received[:1] in (b"\x15", b"\x16") and received[1:2] < b"\x10"


def _version_chosen(attempt: Attempt) -> int:
    """The version in the peer's ServerHello (RFC 5246, 7.4.1.3); 0 if the peer sent no handshake record."""
    return int.from_bytes(attempt.received[9:11]) if attempt.received[:1] == b"\x16" else 0
