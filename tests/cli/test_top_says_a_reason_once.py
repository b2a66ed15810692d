"""Below its table `top` says each reason once, whatever second or address stands in the text of each node."""

import time

import pytest

from kubevouch.cli.top.reason_groups import Unknown, reason_groups
from kubevouch.cli.top.why import UnknownReason

NODES = 100


def unknown(number: int, text: str, *, code: str = "KV304", pods: int = 0) -> Unknown:
    node = f"w{number}.example.com"
    filled = text.format(
        node=node, short=f"w{number}", address=f"10.0.1.{number}", second=f"{number % 60:02}"
    )
    return Unknown(UnknownReason(code, filled, "dialled from here"), node, node, pods)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "x509: certificate has expired: current time 2026-11-24T12:00:{second}Z is after 2026-09-29T06:00:00Z",
            "x509: certificate has expired: current time ... is after 2026-09-29T06:00:00Z",
        ),
        (
            "has not answered within 5 s: dial tcp {address}:10250: i/o timeout",
            "has not answered within 5 s: dial tcp ...: i/o timeout",
        ),
        ("has not answered within {second} s: EOF", "has not answered within ...: EOF"),
        ("failing for 1h{second}m3.5s", "failing for ..."),
        (
            'Get "https://[fd00::{second}]:10250/metrics/resource": x509: unknown authority',
            'Get "https://.../metrics/resource": x509: unknown authority',
        ),
        (
            "x509: certificate is valid for {short}, {node}, not {address}",
            "x509: certificate is valid for ..., ..., not ...",
        ),
        ('candidate authority "{short}-ca@17324456{second}"', 'candidate authority "...-ca..."'),
        ("the node is not Ready", "the node is not Ready"),
    ],
)
def test_a_hundred_nodes_with_one_reason_are_one_line(text: str, said: str) -> None:
    (group,) = reason_groups([unknown(number, text) for number in range(1, NODES + 1)])
    assert group.text == said
    assert len(group.names) == NODES


def test_one_node_keeps_its_whole_text() -> None:
    text = "x509: certificate has expired: current time 2026-11-24T12:00:00Z is after 2026-09-29T06:00:00Z"
    (group,) = reason_groups([unknown(1, text)])
    assert group.text == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("request failed, status: 401", "request failed, status: 403"),
        ("x509: certificate is valid for a, not b", "x509: certificate is valid for a, not c"),
        ("remote error: tls: alert 40", "remote error: tls: alert 80"),
        ("dial tcp {address}:10250: refused", "dial tcp {address}:10250: no route to host"),
    ],
)
def test_two_reasons_stay_two(one: str, other: str) -> None:
    assert len(reason_groups([unknown(1, one), unknown(2, other)])) == 2


def test_the_same_words_of_another_finding_are_another_reason() -> None:
    assert len(reason_groups([unknown(1, "EOF"), unknown(2, "EOF", code="KV301")])) == 2


def test_pods_of_a_node_are_counted_once_for_each_node() -> None:
    (group,) = reason_groups(
        [unknown(1, "seen at {address}", pods=3), unknown(2, "seen at {address}", pods=4)]
    )
    assert (group.names, group.pods) == (("w1.example.com", "w2.example.com"), 7)


@pytest.mark.parametrize(
    "unit",
    ["1", "1s", "1.5s", "0:", ":", "a", "f:f", "1.", "1.1.1.1.", "[:", "2026-11-24T", "@1", "w1.", "1 s", "1h "],
)  # fmt: skip
def test_what_a_node_writes_at_length_holds_up_nobody(unit: str) -> None:
    """The status of a pod has room for a megabyte: a search that begins anew at each of its characters would take a day."""
    reasons = [unknown(1, unit * (1_000_000 // len(unit)) + end) for end in ("", "_", "x")]
    began = time.process_time()
    reason_groups(reasons)
    assert time.process_time() - began < 5
    assert all(len(group.text) <= 2000 for group in reason_groups(reasons))
