"""kubectl drain, and what a disruption budget has to say."""

import json
from typing import Any

import pytest

from kubevouch_lab.apiserver.kinds import NODES, PODS
from lab.tests.apiserver.bench import Bench

DRAIN = ("drain", "n1", "--force", "--timeout=20s")
RUNS = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"


def _pod(name: str, **labels: str) -> dict[str, Any]:
    spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


def _start(lab: Bench, name: str) -> None:
    made = lab.local.get(PODS, name, "default")
    lab.local.update(PODS, {**made, "status": RUNS}, "status")


@pytest.fixture
def drained(lab: Bench) -> Bench:
    lab.local.create(NODES, {"metadata": {"name": "n1"}})
    lab.local.create(PODS, _pod("web", app="web"), "default")
    lab.local.create(PODS, _pod("other"), "default")
    for name in ("web", "other"):
        _start(lab, name)
    return lab


def _left(lab: Bench) -> list[str]:
    return sorted(pod["metadata"]["name"] for pod in lab.store.list(PODS))


async def test_drain_empties_a_node(drained: Bench) -> None:
    printed = await drained.does(*DRAIN)
    assert "node/n1 drained\n" in printed
    assert _left(drained) == []
    assert "SchedulingDisabled" in await drained.does("get", "node", "n1")


async def test_a_dry_run_evicts_nobody(drained: Bench) -> None:
    await drained.does(*DRAIN, "--dry-run=server")
    assert _left(drained) == ["other", "web"]


async def test_a_budget_that_allows_nothing_is_in_the_way(drained: Bench) -> None:
    budget: dict[str, Any] = {
        "metadata": {"name": "web"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    }
    assert (await drained.ask("POST", BUDGETS, budget))[0] == 201
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}
    where = "/api/v1/namespaces/default/pods/{}/eviction"
    code, answer = await drained.ask("POST", where.format("web"), body)
    assert (code, answer["reason"]) == (429, "TooManyRequests")
    assert answer["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    code, answer = await drained.ask("POST", where.format("other"), {**body, "metadata": {}})
    assert (code, answer["status"]) == (201, "Success")
    assert _left(drained) == ["web"]
    found = json.loads(await drained.does("get", "pdb", "web", "-o", "json"))
    none = {
        **found,
        "status": {"disruptionsAllowed": 0, "desiredHealthy": 1, "observedGeneration": 1},
    }
    assert (await drained.ask("PUT", f"{BUDGETS}/web/status", none))[0] == 200
    code, answer = await drained.ask("POST", where.format("web"), body)
    [cause] = answer["details"]["causes"]
    expected = "The disruption budget web needs 1 healthy pods and has 0 currently"
    assert (code, cause["reason"], cause["message"]) == (429, "DisruptionBudget", expected)
    found = json.loads(await drained.does("get", "pdb", "web", "-o", "json"))
    allowed = {**found, "status": {"disruptionsAllowed": 1, "observedGeneration": 1}}
    assert (await drained.ask("PUT", f"{BUDGETS}/web/status", allowed))[0] == 200
    assert (await drained.ask("POST", where.format("web"), body))[0] == 201
    assert _left(drained) == []
    charged = json.loads(await drained.does("get", "pdb", "web", "-o", "json"))["status"]
    assert charged["disruptionsAllowed"] == 0
    assert list(charged["disruptedPods"]) == ["web"]


async def test_who_is_not_there_is_not_evicted(lab: Bench) -> None:
    code, answer = await lab.ask("POST", "/api/v1/namespaces/default/pods/x/eviction", {})
    assert (code, answer["message"]) == (404, 'pods "x" not found')
