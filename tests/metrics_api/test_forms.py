"""Durations as Go writes them (cases of its time/time_test.go), and what a client's words can come to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.metrics.serving.objects import go_duration
from kubevouch.metrics.serving.selectors import SelectorError, field_selector, label_selector
from kubevouch.serve.authorization import attributes_of
from kubevouch.serve.messages import HttpRequest
from kubevouch.serve.negotiation import media_types

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


@given(st.text(max_size=200))
def test_no_bytes_of_a_client_are_more_than_a_refusal(text: str) -> None:
    for read in (label_selector, field_selector):
        try:
            read(text)
        except SelectorError as error:
            assert str(error)  # noqa: PT017
    media_types(text)
    attributes_of(HttpRequest("GET", f"/{text}", {"fieldSelector": (text,), "watch": (text,)}))


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
    found = attributes_of(HttpRequest(method, path))
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
    found = attributes_of(HttpRequest("GET", "/apis/g/v1/nodes", query))
    assert (found.verb, found.name) == ("watch", "n1")
