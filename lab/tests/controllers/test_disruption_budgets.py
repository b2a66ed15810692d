"""Disruption budgets are counted, and real `kubectl drain` goes by them.

Expectations by hand, after pkg/controller/disruption/disruption.go and pkg/registry/core/pod/storage/eviction.go.
"""

from datetime import timedelta
from typing import Any

import pytest

from kubevouch_lab.apiserver.eviction import budget_to_charge
from kubevouch_lab.apiserver.kinds import DISRUPTION_BUDGETS, NODES, PODS
from kubevouch_lab.apiserver.status import StatusError
from kubevouch_lab.controllers.disruption import budget_status
from lab.tests.controllers.test_a_deployment_rolls_out import (
    READY,
    deployment,
    make_ready,
    moving,
    pods,
)
from lab.tests.plane import NOW, Plane, until

WEB = {"matchLabels": {"app": "web"}}


def budget(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "default", "generation": 3},
        "spec": {"selector": WEB, **spec},
    }


def pod(number: int, *, ready: bool = True, going: bool = False) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": f"web-{number}", "namespace": "default"}
    if going:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    status = {"conditions": [{"type": "Ready", "status": str(ready)}]}
    return {"metadata": metadata, "status": status}


# spec, pods, scale of their controllers: current, desired, allowed, expected.
COUNTED: dict[str, tuple[dict[str, Any], list[dict[str, Any]], int, tuple[int, int, int, int]]] = {
    "min 2 of 3": ({"minAvailable": 2}, [pod(1), pod(2), pod(3)], 3, (3, 2, 1, 3)),
    "min 2 of 2": ({"minAvailable": 2}, [pod(1), pod(2)], 2, (2, 2, 0, 2)),
    "an unready one counts not": ({"minAvailable": 2}, [pod(1), pod(2), pod(3, ready=False)], 3, (2, 2, 0, 3)),
    "one that goes counts not": ({"minAvailable": 1}, [pod(1), pod(2, going=True)], 2, (1, 1, 0, 2)),
    "half of 3, rounded up": ({"minAvailable": "50%"}, [pod(1), pod(2), pod(3)], 3, (3, 2, 1, 3)),
    "max 1 of 3": ({"maxUnavailable": 1}, [pod(1), pod(2), pod(3)], 3, (3, 2, 1, 3)),
    "max 1, one is away": ({"maxUnavailable": 1}, [pod(1), pod(2)], 3, (2, 2, 0, 3)),
    "max 30 % of 3, rounded up": ({"maxUnavailable": "30%"}, [pod(1), pod(2), pod(3)], 3, (3, 2, 1, 3)),
    "max 5 of 3": ({"maxUnavailable": 5}, [pod(1), pod(2), pod(3)], 3, (3, 0, 3, 3)),
    "max 1 of pods of their own": ({"maxUnavailable": 1}, [pod(1), pod(2)], 0, (2, 0, 0, 0)),
    "no pods": ({"minAvailable": 1}, [], 0, (0, 1, 0, 0)),
    "neither is said": ({}, [pod(1)], 1, (1, 0, 1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("case", COUNTED)
def test_how_many_may_be_away(case: str) -> None:
    spec, present, scale, expected = COUNTED[case]
    found = budget_status(budget(**spec), present, scale, NOW)
    keys = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
    assert tuple(found[key] for key in keys) == expected
    assert found["observedGeneration"] == 3
    [condition] = found["conditions"]
    told = ("True", "SufficientPods") if expected[2] else ("False", "InsufficientPods")
    assert (condition["status"], condition["reason"]) == told


def test_an_evicted_pod_counts_not_until_it_has_gone_or_two_minutes_have_passed() -> None:
    def evicted(seconds: int) -> dict[str, Any]:
        stamp = f"{NOW - timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"
        status = {"disruptedPods": {"web-1": stamp, "gone": stamp}}
        found = budget(minAvailable=1) | {"status": status}
        return budget_status(found, [pod(1), pod(2)], 2, NOW)

    lately, long_ago = evicted(60), evicted(180)
    assert (lately["currentHealthy"], list(lately["disruptedPods"])) == (1, ["web-1"])
    assert (long_ago["currentHealthy"], "disruptedPods" in long_ago) == (2, False)


async def test_drain_takes_what_the_budget_allows_and_then_the_next(running: Plane) -> None:
    async with moving(running):
        await running.does("apply", "-f", "-", stdin=deployment(replicas=3))
        await running.does("create", "pdb", "web", "--selector=app=web", "--min-available=2")
        await until(lambda: allowed(running) == 1)
        assert "ALLOWED DISRUPTIONS" in (table := await running.does("get", "pdb", "web"))
        assert table.splitlines()[1].split()[:4] == ["web", "2", "N/A", "1"]
        printed = await running.does("drain", "n1", "--timeout=30s")
        assert "node/n1 drained" in printed
        await until(lambda: allowed(running) == 1 and len(pods(running)) == 3)
        assert {each["spec"]["nodeName"] for each in pods(running)} == {"n2", "n3"}


async def test_drain_says_at_once_what_is_in_its_way(running: Plane) -> None:
    async with moving(running):
        await running.does("apply", "-f", "-", stdin=deployment(replicas=1))
        await running.does("create", "pdb", "web", "--selector=app=web", "--min-available=1")
        await until(lambda: (found := healthy(running)) and found == 1)
        [only] = pods(running)
        ran = await running.kubectl("drain", only["spec"]["nodeName"], "--timeout=6s")
        assert ran.code == 1
        assert "Cannot evict pod as it would violate the pod's disruption budget." in ran.err
        path = f"/api/v1/namespaces/default/pods/{only['metadata']['name']}/eviction"
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "x"}}
        refused = await running.kubectl("create", "--raw", path, "-f", "-", stdin=body)
        assert "violate the pod's disruption budget" in refused.err
        assert [each["metadata"]["uid"] for each in pods(running)] == [only["metadata"]["uid"]]


async def test_a_pod_that_is_not_ready_is_evicted_where_the_others_are_enough(
    running: Plane,
) -> None:
    async with moving(running):
        await running.does("apply", "-f", "-", stdin=deployment(replicas=3))
        await running.does("create", "pdb", "web", "--selector=app=web", "--min-available=2")
        await until(lambda: allowed(running) == 1)
        sick, *_ = pods(running)
        make_ready(running, sick, "False")
        await until(lambda: allowed(running) == 0)
        await running.does("drain", sick["spec"]["nodeName"], "--timeout=30s")


def test_two_budgets_of_one_pod_are_one_too_many(running: Plane) -> None:
    running.admin.create(NODES, {"metadata": {"name": "n1"}})
    running.admin.patch(NODES, "n1", {"status": {"conditions": [READY]}}, subresource="status")
    for name in ("a", "b"):
        named = {"name": name, "namespace": "default"}
        running.admin.create(DISRUPTION_BUDGETS, budget(minAvailable=0) | {"metadata": named})
    spec = {"containers": [{"name": "c", "image": "i"}]}
    metadata: dict[str, Any] = {"name": "p", "namespace": "default", "labels": {"app": "web"}}
    made = running.admin.create(PODS, {"metadata": metadata, "spec": spec})
    with pytest.raises(StatusError, match="more than one PodDisruptionBudget"):
        budget_to_charge(running.store, made | {"status": {"phase": "Running"}})


def allowed(running: Plane) -> int | None:
    return status(running).get("disruptionsAllowed")


def healthy(running: Plane) -> int | None:
    return status(running).get("currentHealthy")


def status(running: Plane) -> dict[str, Any]:
    found = running.store.find(DISRUPTION_BUDGETS, "web", "default")
    return dict((found or {}).get("status") or {})
