"""metrics.k8s.io, v1 and v1beta1: objects, lists and tables in metrics-server's forms. Refusals and selectors: the recorded answers beside this."""

import json
from datetime import timedelta
from typing import Any

import pytest

from kubevouch.metrics.fleet import RunningPods
from kubevouch.metrics.serving.api import MetricsApi
from kubevouch.serve.messages import HttpRequest
from tests.support.clocks import WoundClock
from tests.support.metered import AT, fixed_fleet, metered, node, pod

FLEET = fixed_fleet(
    {each.name: each for each in (node("n2"), node("n1", zone="a", tier="1"), node("n3"))},
    RunningPods([pod("b", "p"), pod("a", "q", app="x"), pod("a", "p", app="y"), pod("a", "new")]),
)
STORE = metered(
    {"n1": (156433217, 1062510592), "n2": (2_000_000_000, 1536), "gone": (1, 1)},
    {
        "n1": {("a", "p"): {"c2": (1_250_000, 20 << 20), "c1": (0, 1000)}},
        "n2": {("b", "p"): {"c": (1, 1 << 30)}, ("b", "ended"): {"c": (1, 1)}},
    },
)


@pytest.fixture(params=["v1", "v1beta1"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def told(version: str, path: str, **query: str) -> Any:
    asked = HttpRequest(
        "GET", f"/apis/metrics.k8s.io/{version}{path}", {k: (v,) for k, v in query.items()}
    )
    clock = WoundClock(AT + timedelta(seconds=10))
    answer = await MetricsApi(STORE, FLEET, clock).answer(asked)
    assert answer.code == 200, answer
    return json.loads(answer.body)


N1 = {
    "metadata": {
        "name": "n1",
        "creationTimestamp": "2026-11-24T23:03:10Z",
        "labels": {"tier": "1", "zone": "a"},
    },
    "timestamp": "2026-11-24T23:03:00Z",
    "window": "15.023s",
    "usage": {"cpu": "156433217n", "memory": "1037608Ki"},
}
POD = {
    "metadata": {
        "name": "p",
        "namespace": "a",
        "creationTimestamp": "2026-11-24T23:03:10Z",
        "labels": {"app": "y"},
    },
    "timestamp": "2026-11-24T23:03:00Z",
    "window": "15.023s",
    "containers": [
        {"name": "c1", "usage": {"cpu": "0", "memory": "1k"}},
        {"name": "c2", "usage": {"cpu": "1250u", "memory": "20Mi"}},
    ],
}


async def test_a_node_and_a_pod_of_their_own(version: str) -> None:
    kind = {"apiVersion": f"metrics.k8s.io/{version}"}
    assert await told(version, "/nodes/n1") == {"kind": "NodeMetrics", **kind, **N1}
    assert await told(version, "/namespaces/a/pods/p") == {"kind": "PodMetrics", **kind, **POD}


async def test_lists_have_what_is_measured_in_order_and_no_version(version: str) -> None:
    found = await told(version, "/nodes")
    assert [found["kind"], found["metadata"]] == ["NodeMetricsList", {}]
    assert found["items"][0] == N1
    assert found["items"][1]["usage"] == {"cpu": "2", "memory": "1536"}
    # n3 is not measured; `gone` and `ended` are no longer the API server's.
    assert [each["metadata"]["name"] for each in found["items"]] == ["n1", "n2"]
    found = await told(version, "/pods", limit="1")
    names = [(each["metadata"]["namespace"], each["metadata"]["name"]) for each in found["items"]]
    assert names == [("a", "p"), ("b", "p")]
    assert found["items"][0] == POD
