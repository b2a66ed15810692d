"""Whatever a port does, dialling it gives one answer in time: never an exception, never a hang, nothing left open."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubevouch.kubelet.dial_result import Target
from kubevouch.kubelet.io.handshake import MOST_BYTES, MOST_PIECES
from kubevouch.system_clock import SystemClock
from kubevouch.tls import FailureKind, HandshakeFailure
from tests.kubelet.test_a_bare_handshake import one
from tests.support.scripted.kubelet import WAYS_TO_FAIL, Behaviour, Say, ScriptedKubelet, alert
from tests.support.scripted.nobody import closed_port, silent_port
from tests.support.unhurried import GENEROUS

GO: dict[str, str] = json.loads(
    (Path(__file__).parents[1] / "tls" / "cases" / "go-failures.json").read_text()
)
GO_ALERTS: dict[str, str] = json.loads(
    (Path(__file__).parents[1] / "tls" / "cases" / "go-alerts.json").read_text()
)
KINDS = {
    "no certificate": FailureKind.ALERT,
    "handshake failure": FailureKind.ALERT,
    "bad certificate": FailureKind.ALERT,
    "unknown authority": FailureKind.ALERT,
    "protocol version": FailureKind.PROTOCOL_VERSION,
    "certificate required": FailureKind.ALERT,
    "an alert without a name": FailureKind.ALERT,
    "hangs up": FailureKind.ENDED,
    "hangs up within a record": FailureKind.ENDED,
    "says goodbye": FailureKind.ENDED,
    "resets": FailureKind.RESET,
    "plain HTTP": FailureKind.PLAIN_HTTP,
    "another protocol": FailureKind.NOT_TLS,
    "TLS 1.0 only": FailureKind.PROTOCOL_VERSION,
    "a record too long": FailureKind.BROKEN,
    "silence": FailureKind.HANDSHAKE_TIMEOUT,
}


async def failure(
    behaviour: Behaviour, clock: SystemClock, timeout: float = 20.0
) -> tuple[HandshakeFailure, str]:
    """The failure, and Go's words for it with the addresses written as in the recorded file."""
    async with ScriptedKubelet(behaviour, clock) as kubelet:
        target = Target(kubelet.host, port=kubelet.port)
        answer = await one(target, clock, timeout)
    assert answer.failure is not None
    assert answer.chain == ()
    text = answer.failure.go_text.replace(f"->{target}", "->PEER").replace(str(target), "PEER")
    before, arrow, after = text.partition("->")
    words = before.rpartition(" ")[0] + " OURS->" + after if arrow else text
    return answer.failure, words


@pytest.mark.parametrize("way", WAYS_TO_FAIL)
async def test_each_way_to_fail_is_named_and_worded_as_by_go(way: str, clock: SystemClock) -> None:
    timeout = 0.3 if way == "silence" else 20.0
    found, words = await failure(WAYS_TO_FAIL[way], clock, timeout)
    assert (found.kind, words) == (KINDS[way], GO[way])


@pytest.mark.parametrize("number", [1, 90, 111, 120, 121, 255])
async def test_an_alert_is_read_off_the_wire_whether_openssl_knows_it_or_not(
    number: int, clock: SystemClock
) -> None:
    found, words = await failure(alert(number), clock)
    assert found.alert is not None
    assert (found.alert.number, words) == (number, GO_ALERTS[str(number)])


@pytest.mark.parametrize(
    ("way", "at", "kind", "timeout"),
    [
        ("nobody listens", closed_port, FailureKind.REFUSED, 20.0),
        ("no answer at all", silent_port, FailureKind.CONNECT_TIMEOUT, 0.3),
    ],
)
async def test_where_nobody_answers(
    clock: SystemClock, way: str, at: Any, kind: FailureKind, timeout: float
) -> None:
    with at() as port:
        answer = await one(Target("127.0.0.1", port=port), clock, timeout)
    assert answer.failure is not None
    assert answer.failure.kind is kind
    assert answer.failure.go_text.replace(f"127.0.0.1:{port}", "PEER") == GO[way]


async def test_one_byte_at_a_time_is_not_a_handshake_in_time(clock: SystemClock) -> None:
    drip = Say(b"\x16\x03\x03\x00\x50" + bytes(80), then="hold", pause=0.05)
    found, _ = await failure(drip, clock, timeout=0.4)
    assert found.kind is FailureKind.HANDSHAKE_TIMEOUT


async def test_a_flood_of_records_is_broken_off(clock: SystemClock) -> None:
    """Handshake messages of a kind that is passed over (HelloRequest), without end."""
    record = b"\x16\x03\x03\x00\x04" + b"\x00\x00\x00\x00"
    found, _ = await failure(Say(record * (MOST_BYTES // len(record) + 100), then="hold"), clock)
    assert found.kind is FailureKind.BROKEN


async def test_a_handshake_in_too_many_pieces_is_broken_off(clock: SystemClock) -> None:
    """Each piece costs time, also one of a single byte: a quarter of a million of them, six seconds of the processor."""
    sent = 0

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.read(1)
        writer.write(b"\x16\x03\x03\x40\x00")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"\0")
                await writer.drain()
                sent += 1
                await asyncio.sleep(0)
        writer.close()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        answer = await one(Target("127.0.0.1", port=port), clock, GENEROUS)
    assert answer.failure is not None
    assert answer.failure.kind is FailureKind.BROKEN
    assert sent < 3 * MOST_PIECES


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    what=st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=200).map(
            lambda tail: b"\x16\x03\x03" + len(tail).to_bytes(2, "big") + tail
        ),
        st.binary(max_size=80).map(
            lambda tail: b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" + tail
        ),
    ),
    then=st.sampled_from(["close", "reset", "hold"]),
    at_once=st.booleans(),
)
async def test_any_bytes_give_a_failure(
    what: bytes, then: str, at_once: bool, clock: SystemClock
) -> None:
    found, _ = await failure(Say(what, then=then, at_once=at_once), clock, timeout=0.3)
    assert found.text


@pytest.mark.parametrize(
    ("target", "go_text"),
    [
        (Target("kubelet.invalid"), "dial tcp: lookup kubelet.invalid: no such host"),
        (Target("127.0.0.1", port=99999), GO["an invalid port"]),
        (Target("127.0.0.1", port=-1), "dial tcp: address -1: invalid port"),
        (Target("a\0b"), "dial tcp: lookup a\\x00b: no such host"),
        (Target("x" * 300), f"dial tcp: lookup {'x' * 300}: no such host"),
        (Target("\udcff"), "dial tcp: lookup \\xff: no such host"),
    ],
    ids=str,
)
async def test_what_is_no_address_is_said_so(
    target: Target, go_text: str, clock: SystemClock
) -> None:
    answer = await one(target, clock, 20.0)
    assert answer.failure is not None
    assert answer.failure.kind is FailureKind.NAME_UNKNOWN
    assert answer.failure.go_text == go_text


async def test_an_empty_address_is_not_this_machine(clock: SystemClock) -> None:
    """getaddrinfo would take it for loopback on some systems."""
    async with ScriptedKubelet(WAYS_TO_FAIL["no certificate"], clock) as kubelet:
        answer = await one(Target("", port=kubelet.port), clock, 20.0)
        assert answer.failure is not None
        assert answer.failure.kind is FailureKind.NAME_UNKNOWN
        assert not kubelet.seen
