"""What went wrong, in RFC names and in Go's words. Go's own words are recorded (real/oracle/dial.py)."""

import asyncio
import errno
import json
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest

from kubevouch.system_clock import SystemClock
from kubevouch.tls import INTERNAL_ERROR, Alert, FailureKind, HandshakeFailure, alert_of, joined
from kubevouch.tls.io.accidents import Attempt, failure_of
from kubevouch.tls.io.context import inspection_context
from tests.support.rows import of_each
from tests.support.scripted.kubelet import PLAIN_HTTP, WAYS_TO_FAIL, ScriptedKubelet, alert
from tests.support.scripted.nobody import closed_port

CASES = Path(__file__).parent / "cases"
GO_ALERTS: dict[str, str] = json.loads((CASES / "go-alerts.json").read_text())
SAYS_LESS = ssl.OPENSSL_VERSION_INFO >= (3, 2)
"""Whether OpenSSL tells all records that it refuses by one word."""
KNOWN = [number for number, text in GO_ALERTS.items() if "alert(" not in text]


def test_the_record_holds_every_alert_go_has_words_for() -> None:
    assert len(GO_ALERTS) == 255
    assert len(KNOWN) == 33


@of_each(list(GO_ALERTS), str)
def test_every_alert_is_worded_as_go_words_it(number: str) -> None:
    assert Alert(int(number)).go_text == GO_ALERTS[number]


def test_the_alert_of_a_kubelet_without_a_certificate() -> None:
    assert str(INTERNAL_ERROR) == "internal_error(80)"
    assert INTERNAL_ERROR.go_text == "remote error: tls: internal error"


@pytest.mark.parametrize("number", KNOWN)
async def test_an_alert_is_recognised_in_what_asyncio_raises(number: str) -> None:
    """In OpenSSL's words, which this Python may or may not know by a name."""
    async with ScriptedKubelet(alert(int(number)), SystemClock()) as kubelet:
        with pytest.raises(ssl.SSLError) as caught:
            await asyncio.open_connection(kubelet.host, kubelet.port, ssl=inspection_context())
    failure = failure_of(caught.value, Attempt("k:1"))
    if number == "121":
        # Older OpenSSL has no words for it: it is known by the bytes on the wire only (tests/kubelet).
        return
    assert failure.alert == Alert(int(number))
    assert failure.go_text == GO_ALERTS[number]


async def aiohttp_failure(url: str) -> HandshakeFailure:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session:
        with pytest.raises(aiohttp.ClientError) as caught:
            await session.get(url, ssl=inspection_context())
    return failure_of(caught.value, Attempt(url.removeprefix("https://")))


@pytest.mark.parametrize(
    ("way", "kind"),
    [
        ("no certificate", FailureKind.ALERT),
        ("protocol version", FailureKind.PROTOCOL_VERSION),
        ("hangs up", FailureKind.ENDED),
        ("hangs up within a record", FailureKind.ENDED),
        ("resets", FailureKind.RESET),
        ("another protocol", FailureKind.NOT_TLS),
        ("TLS 1.0 only", FailureKind.PROTOCOL_VERSION),
        ("a record too long", FailureKind.BROKEN if SAYS_LESS else FailureKind.NOT_TLS),
    ],
)
async def test_what_aiohttp_raises_is_understood(way: str, kind: FailureKind) -> None:
    async with ScriptedKubelet(WAYS_TO_FAIL[way], SystemClock()) as kubelet:
        failure = await aiohttp_failure(f"https://{kubelet.host}:{kubelet.port}")
    assert failure.kind is kind
    assert failure.text


@pytest.mark.parametrize(
    ("received", "kind", "go_text"),
    [
        (b"\x16\x03\x03\xff\xff\0", FailureKind.BROKEN, "tls: oversized record received with length 65535"),
        (b"\x16\x03\x03\x48\x01\0", FailureKind.BROKEN, "tls: oversized record received with length 18433"),
        (b"\x16\x03\x03\x48\x00\0", FailureKind.BROKEN, ""),
        (b"\x16\x03\x03\x00\x04\0", FailureKind.BROKEN, ""),
        (b"SSH-2.0-OpenSSH_10.0\r\n", FailureKind.NOT_TLS, "tls: first record does not look like a TLS handshake"),
        (b"HTTP/1.1 400 Bad Request", FailureKind.PLAIN_HTTP, "http: server gave HTTP response to HTTPS client"),
        (b"\x16\x03", FailureKind.BROKEN, ""),
        (b"", FailureKind.BROKEN, ""),
    ],
)  # fmt: skip
def test_where_openssl_does_not_say_why_it_refused_a_record_its_bytes_do(
    received: bytes, kind: FailureKind, go_text: str
) -> None:
    error = ssl.SSLError(1, "[SSL: RECORD_LAYER_FAILURE] record layer failure (_ssl.c:1016)")
    error.reason = "RECORD_LAYER_FAILURE"
    failure = failure_of(error, Attempt("k:1", connected=True, received=received))
    assert (failure.kind, failure.go_text) == (kind, go_text)


async def test_plain_http_is_not_tls_to_aiohttp_and_known_by_its_first_bytes() -> None:
    async with ScriptedKubelet(PLAIN_HTTP, SystemClock()) as kubelet:
        address = joined(kubelet.host, kubelet.port)
        failure = await aiohttp_failure(f"https://{address}")
        assert failure.kind is FailureKind.NOT_TLS
        with pytest.raises(ssl.SSLError) as caught:
            await asyncio.open_connection(kubelet.host, kubelet.port, ssl=inspection_context())
    failure = failure_of(caught.value, Attempt(address, received=b"HTTP/1.1 400 Bad"))
    assert failure.kind is FailureKind.PLAIN_HTTP
    assert failure.go_text == "http: server gave HTTP response to HTTPS client"


async def test_a_refused_connection_is_found_behind_aiohttps_error() -> None:
    with closed_port() as port:
        failure = await aiohttp_failure(f"https://127.0.0.1:{port}")
    assert failure.kind is FailureKind.REFUSED
    assert failure.go_text == f"dial tcp 127.0.0.1:{port}: connect: connection refused"


@pytest.mark.parametrize(
    ("error", "kind", "go_text"),
    [
        (OSError(errno.EHOSTUNREACH, ""), FailureKind.UNREACHABLE, "dial tcp k:1: connect: no route to host"),
        (OSError(errno.ENETUNREACH, ""), FailureKind.UNREACHABLE, "dial tcp k:1: connect: network is unreachable"),
        (OSError(errno.ETIMEDOUT, ""), FailureKind.CONNECT_TIMEOUT, "dial tcp k:1: connect: connection timed out"),
        (TimeoutError(), FailureKind.CONNECT_TIMEOUT, "dial tcp k:1: i/o timeout"),
        (OSError(errno.EMFILE, ""), FailureKind.OUR_SIDE, "dial tcp k:1: socket: too many open files"),
        (OSError(errno.EPERM, ""), FailureKind.OUR_SIDE, "dial tcp k:1: connect: operation not permitted"),
        (OSError(errno.EADDRNOTAVAIL, ""), FailureKind.OUR_SIDE, "dial tcp k:1: connect: cannot assign requested address"),
        (socket.gaierror(socket.EAI_NONAME, ""), FailureKind.NAME_UNKNOWN, "dial tcp: lookup k: no such host"),
        (socket.gaierror(socket.EAI_AGAIN, ""), FailureKind.NAME_UNKNOWN, "dial tcp: lookup k: server misbehaving"),
        (UnicodeError(), FailureKind.NAME_UNKNOWN, "dial tcp: lookup k: no such host"),
        (ConnectionResetError(), FailureKind.ENDED, "EOF"),
        (RuntimeError("what?"), FailureKind.BROKEN, ""),
    ],
    ids=str,
)  # fmt: skip
def test_a_system_error_means(error: Exception, kind: FailureKind, go_text: str) -> None:
    failure = failure_of(error, Attempt("k:1"))
    assert (failure.kind, failure.go_text) == (kind, go_text)


def test_once_connected_a_timeout_is_the_handshakes() -> None:
    failure = failure_of(TimeoutError(), Attempt("k:1", connected=True))
    assert failure.kind is FailureKind.HANDSHAKE_TIMEOUT
    assert failure.go_text == "net/http: TLS handshake timeout"


def test_openssls_refusal_says_why_and_leaves_gos_words_to_the_verifier() -> None:
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_message = "certificate has expired"
    failure = failure_of(error, Attempt("k:1"))
    assert failure.kind is FailureKind.NOT_TRUSTED
    assert failure.text == "OpenSSL: certificate has expired"
    assert failure.go_text == ""


@pytest.mark.parametrize(
    "reason",
    ["TLSV1_ALERT_INTERNAL_ERROR", "tlsv1 alert internal error", "ssl/tls alert internal error"],
)
def test_openssl_changes_its_words_and_means_the_same(reason: str) -> None:
    assert alert_of(reason) == INTERNAL_ERROR


@pytest.mark.parametrize("reason", ["", "WRONG_VERSION_NUMBER", "tlsv1 alert nonsense"])
def test_other_reasons_are_no_alerts(reason: str) -> None:
    assert alert_of(reason) is None


def test_ipv6_addresses_are_put_in_brackets_as_go_does() -> None:
    assert joined("fd00::5", 10250) == "[fd00::5]:10250"
    assert joined("10.0.0.5", 10250) == "10.0.0.5:10250"


def test_a_name_from_outside_cannot_reach_into_the_terminal() -> None:
    failure = failure_of(UnicodeError(), Attempt("k\x1b[31m:1"))
    assert "\x1b" not in failure.go_text
