"""Numbers and times as Go writes them: cases of Go's own tests (time/time_test.go, resource/quantity_test.go), and laws."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.metrics import amounts
from kubevouch.metrics.serving.objects import go_duration
from kubevouch.metrics.serving.selectors import SelectorError, field_selector, label_selector
from kubevouch.serve.attributes import attributes_of
from kubevouch.serve.messages import Request
from kubevouch.serve.negotiation import wanted

DURATIONS = {
    0: "0s",
    1: "1ns",
    1100: "1.1µs",
    2200000: "2.2ms",
    3300000000: "3.3s",
    4 * 60 * 10**9 + 5 * 10**9: "4m5s",
    4 * 60 * 10**9 + 5001 * 10**6: "4m5.001s",
    5 * 3600 * 10**9 + 6 * 60 * 10**9 + 7001 * 10**6: "5h6m7.001s",
    8 * 60 * 10**9 + 1: "8m0.000000001s",
    15023000000: "15.023s",
    -15 * 10**9: "-15s",
    60 * 10**9: "1m0s",
    2**63 - 1: "2562047h47m16.854775807s",
}


@pytest.mark.parametrize("ns", DURATIONS)
def test_a_duration_is_gos(ns: int) -> None:
    assert go_duration(ns) == DURATIONS[ns]


NANOCORES = {
    0: "0",
    1: "1n",
    1000: "1u",
    156433217: "156433217n",
    1250000: "1250u",
    157000000: "157m",
    2 * 10**9: "2",
    1500 * 10**6: "1500m",
    1000 * 10**9: "1k",
    2**64 - 1: "18446744073709551615n",
}
BYTES = {
    0: "0",
    1: "1",
    1000: "1k",
    1023: "1023",
    1024: "1Ki",
    1025: "1025",
    1536: "1536",
    1062510592: "1037608Ki",
    20 << 20: "20Mi",
    1 << 30: "1Gi",
    1 << 62: "4Ei",
}


def test_quantities_are_canonical() -> None:
    assert {number: amounts.format_nanocores(number) for number in NANOCORES} == NANOCORES
    assert {number: amounts.format_bytes(number) for number in BYTES} == BYTES


@given(st.integers(0, 2**64 - 1))
def test_what_is_written_is_read_back(number: int) -> None:
    assert amounts.read(amounts.format_bytes(number)) == number
    assert amounts.read(amounts.format_nanocores(number)) == Fraction(number, 10**9)


READ = {
    "1e3": 1000,
    "1E": 10**18,
    "1.5Gi": 3 * 2**29,
    ".5": Fraction(1, 2),
    "5.": 5,
    "-1m": Fraction(-1, 1000),
    "+2": 2,
    "1E-2": Fraction(1, 100),
}


def test_quantities_are_read_as_go_reads_them() -> None:
    assert {text: amounts.read(text) for text in READ} == READ
    for text in ("", "x", "1 ", "1K", "1ki", ".", "-", "1e", "1ee3", "1Mi3", "0x1", "1" * 99):
        assert amounts.read(text) is None, text
    assert amounts.milli(Fraction(156433217, 10**9)) == 157
    assert amounts.milli(Fraction(1, 10**9)) == 1


@given(st.text(max_size=200))
def test_no_bytes_of_a_client_are_more_than_a_refusal(text: str) -> None:
    for read in (label_selector, field_selector):
        try:
            read(text)
        except SelectorError as error:
            assert str(error)  # noqa: PT017
    wanted(text)
    attributes_of(Request("GET", f"/{text}", {"fieldSelector": (text,), "watch": (text,)}))


ASKED = {
    ("GET", "/apis/g/v1/namespaces/ns/pods/p/log"): ("get", "g", "pods", "log", "ns", "p"),
    ("GET", "/apis/g/v1/namespaces/ns/pods"): ("list", "g", "pods", "", "ns", ""),
    ("GET", "/apis/g/v1/pods"): ("list", "g", "pods", "", "", ""),
    ("HEAD", "/apis/g/v1/nodes/n"): ("get", "g", "nodes", "", "", "n"),
    ("POST", "/apis/g/v1/nodes"): ("create", "g", "nodes", "", "", ""),
    ("DELETE", "/apis/g/v1/nodes"): ("deletecollection", "g", "nodes", "", "", ""),
    ("GET", "/api/v1/nodes"): ("list", "", "nodes", "", "", ""),
    ("GET", "/api/v1/namespaces/ns"): ("get", "", "namespaces", "", "ns", "ns"),
    ("GET", "/api/v1/namespaces/ns/status"): ("get", "", "namespaces", "status", "ns", "ns"),
    ("GET", "/apis/g/v1"): ("get", "", "", "", "", ""),
    ("GET", "/metrics"): ("get", "", "", "", "", ""),
    ("GET", "/"): ("get", "", "", "", "", ""),
}


@pytest.mark.parametrize(("method", "path"), ASKED)
def test_a_request_is_what_rbac_calls_it(method: str, path: str) -> None:
    found = attributes_of(Request(method, path))
    assert ASKED[method, path] == (
        found.verb,
        found.group,
        found.resource,
        found.subresource,
        found.namespace,
        found.name,
    )


def test_a_list_of_one_name_is_about_that_name() -> None:
    query = {"fieldSelector": ("metadata.name=n1",), "watch": ("1",)}
    found = attributes_of(Request("GET", "/apis/g/v1/nodes", query))
    assert (found.verb, found.name) == ("watch", "n1")
