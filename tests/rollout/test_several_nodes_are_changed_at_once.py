"""A run on many nodes, several at once: what they hold in common is read from a real list, and their changes are timed here."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from kubevouch.rollout.act.fleet_run import FleetRun, Reached, read_workloads
from kubevouch.rollout.decide.gates import ProofGate
from kubevouch.rollout.decide.lineup import Lineup
from kubevouch.rollout.decide.order import HeldInCommon
from kubevouch.rollout.decide.result import NodeResult
from kubevouch.rollout.decide.run_status import NodeState
from tests.support.scripted import faults
from tests.support.stage import kind_of

from .acting import HEALTHY, Acting, acting
from .recorded import tasked

DEBIAN = "Debian 12, kubelet 1.34, amd64"
FAILED = {NodeState.UNDONE, NodeState.UNKNOWN}


@dataclass
class Nodes:
    """What becomes of the nodes of a run; remembers who was on the way beside whom."""

    fails: dict[str, NodeState] = field(default_factory=dict)
    ill: str = ""
    active: set[str] = field(default_factory=set)
    beside: list[frozenset[str]] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)

    async def through(self, node: str, reached: Reached) -> NodeResult:
        self.active.add(node)
        self.begun.append(node)
        self.beside.append(frozenset(self.active))
        await asyncio.sleep(0.01)
        reached(ProofGate.METRICS)
        await asyncio.sleep(0.01)
        outcome = self.fails.get(node, NodeState.DONE)
        if outcome in FAILED:
            reached(None)
            await asyncio.sleep(0.01)
        self.active.remove(node)
        return NodeResult(node, outcome)

    async def not_well(self, node: str) -> str:
        return self.ill

    def run(self, here: Acting, count: int = 40, soak: float = 0) -> FleetRun:
        lineup = Lineup(tuple(tasked(f"w{i}", DEBIAN) for i in range(count)), soak)
        return FleetRun(lineup, here.context, self.through, self.not_well)


@pytest.fixture
async def here() -> AsyncIterator[Acting]:
    async with acting(HEALTHY, "healthy-worker") as cluster:
        yield cluster


def put(here: Acting, kind: str, name: str, **rest: Any) -> None:
    known = kind_of(kind)
    version = f"{known.group}/{known.version}" if known.group else known.version
    metadata = {"name": name, "namespace": "shop", "uid": name, **rest.pop("metadata", {})}
    thing = {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}
    here.stage.server.store.create(known, thing)


def a_budget(here: Acting, allowed: int, *nodes: str, healthy: int | None = None) -> None:
    selector = {
        "matchLabels": {"app": "cart"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["front", "back"]},
            {"key": "canary", "operator": "DoesNotExist"},
        ],
    }
    status = {
        "disruptionsAllowed": allowed,
        "currentHealthy": len(nodes) if healthy is None else healthy,
        "expectedPods": len(nodes),
    }
    put(here, "PodDisruptionBudget", "cart", spec={"selector": selector}, status=status)
    for i, node in enumerate(nodes):
        labels = {"app": "cart", "tier": "front"}
        a_pod(here, f"cart-{i}", node, labels)
    a_pod(here, "canary", "w39", {"app": "cart", "tier": "front", "canary": ""})
    a_pod(here, "other", "w39", {"app": "cart", "tier": "middle"})
    a_pod(here, "ended", "w39", {"app": "cart", "tier": "back"}, phase="Succeeded")


def a_pod(
    here: Acting, name: str, node: str, labels: dict[str, str], phase: str = "Running"
) -> None:
    spec = {"nodeName": node, "containers": []}
    put(here, "Pod", name, metadata={"labels": labels}, spec=spec, status={"phase": phase})


def a_service(here: Acting, name: str, **ready: bool | None) -> None:
    endpoints = [
        {"addresses": ["10.1.2.3"], "nodeName": node, "conditions": {"ready": is_ready}}
        for node, is_ready in ready.items()
    ]
    labels = {"kubernetes.io/service-name": name}
    put(here, "EndpointSlice", f"{name}-abc", metadata={"labels": labels}, endpoints=endpoints)


async def test_what_nodes_hold_in_common_is_read(here: Acting) -> None:
    a_budget(here, 1, "w1", "w2", "w2", healthy=2)
    a_service(here, "cart", w1=True, w2=None, w3=False)
    a_service(here, "single", w1=True)
    a_service(here, "wide", **dict.fromkeys((f"w{i}" for i in range(9)), True))
    a_service(here, "down", w1=True, w2=False)
    found = await read_workloads(here.context.api, most=8)
    assert [each for each in found.held if "shop/" in each.name] == [
        HeldInCommon("PodDisruptionBudget shop/cart", 1, {"w1": 1, "w2": 2}, is_whole=False),
        HeldInCommon("Service shop/cart", 1, {"w1": 1, "w2": 1, "w3": 1}, is_whole=True),
        HeldInCommon("Service shop/down", 0, {"w1": 1, "w2": 1}, is_whole=False),
    ]
    assert found.unread == ""


async def test_nodes_of_one_budget_are_never_on_their_way_at_once(here: Acting) -> None:
    shared = {"w1", "w2", "w5", "w6", "w9"}
    a_budget(here, 1, *shared)
    a_service(here, "cart", w3=True, w4=True)
    nodes = Nodes()
    run = nodes.run(here)
    await run.run()
    assert {each.state for each in run.results.values()} == {NodeState.DONE}
    assert len(run.results) == 40
    assert nodes.begun[0] == "w0"
    assert max(map(len, nodes.beside)) > 2
    for beside in nodes.beside:
        assert len(beside & shared) <= 1
        assert not {"w3", "w4"} <= beside


REFUSED = faults.answer(
    403,
    '{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,'
    '"message":"poddisruptionbudgets.policy is forbidden"}',
    Content_Type="application/json",
)


async def test_without_the_right_to_read_it_there_is_one_node_at_a_time_and_that_is_said(
    here: Acting,
) -> None:
    here.stage.server.faults.on("/apis/policy/v1/poddisruptionbudgets", REFUSED)
    nodes = Nodes()
    await nodes.run(here, 20).run()
    assert max(map(len, nodes.beside)) == 1
    assert len(nodes.begun) == 20
    said = [each for each in here.progress.lines if each.startswith("all nodes: ")]
    assert said == [
        "all nodes: one node at a time: not allowed to list poddisruptionbudgets.policy"
    ]


async def test_it_is_read_again_as_the_run_goes_on(
    here: Acting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A budget that comes while the run is under way counts for who has not begun."""
    monkeypatch.setattr("kubevouch.rollout.act.fleet_run._FRESH", 0.0)
    nodes = Nodes()
    run = nodes.run(here)
    shared = {f"w{i}" for i in range(20, 40)}

    async def through(node: str, reached: Reached) -> NodeResult:
        if node == "w10":
            a_budget(here, 0, *shared)
        return await nodes.through(node, reached)

    await replace_through(run, through).run()
    assert len(nodes.begun) == 40
    assert max(len(beside & shared) for beside in nodes.beside) == 1


def replace_through(run: FleetRun, through: Callable[[str, Reached], Any]) -> FleetRun:
    return FleetRun(run.lineup, run.context, through, run.not_well)


async def test_a_canary_that_falls_ill_while_it_soaks_stops_the_run(here: Acting) -> None:
    nodes = Nodes(ill="not healthy after soak: this Node is not Ready")
    run = nodes.run(here, soak=0.1)
    await run.run()
    assert nodes.begun == ["w0"]
    assert run.results["w0"] == NodeResult(
        "w0", NodeState.DONE, "not healthy after soak: this Node is not Ready"
    )
    assert run.stopped == "w0, the canary of Debian 12, kubelet 1.34, amd64, failed"


async def test_a_node_in_an_uncertain_state_stops_the_run_as_does_our_error(
    here: Acting,
) -> None:
    nodes = Nodes()

    async def through(node: str, reached: Reached) -> NodeResult:
        if node == "w9":
            raise RuntimeError("boom")
        return await nodes.through(node, reached)

    run = replace_through(nodes.run(here), through)
    await run.run()
    assert run.results["w9"].why == "an internal error, RuntimeError: boom"
    assert run.results["w9"].state is NodeState.ARMED
    assert run.stopped == "w9 may be unhealthy"
    assert all(run.results[each].state is NodeState.DONE for each in nodes.begun)


async def test_who_is_asked_to_stop_ends_what_is_in_hand(here: Acting) -> None:
    nodes = Nodes()
    run = nodes.run(here)
    run.context = replace(here.context, stop=lambda: len(nodes.begun) >= 9)
    async with asyncio.timeout(60):
        await run.run()
    assert 9 <= len(nodes.begun) < 40
    assert set(run.results) == set(nodes.begun)
    assert not nodes.active


async def test_who_stops_during_a_soak_does_not_wait_for_its_end(here: Acting) -> None:
    nodes = Nodes()
    run = nodes.run(here, soak=3600)
    run.context = replace(here.context, stop=lambda: bool(run.results))
    async with asyncio.timeout(60):
        await run.run()
    assert nodes.begun == ["w0"]


async def test_a_cancelled_run_leaves_no_node_task(here: Acting) -> None:
    ended: list[str] = []

    async def through(node: str, reached: Reached) -> NodeResult:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        ended.append(node)
        raise asyncio.CancelledError

    run = FleetRun(Lineup((tasked("w0", DEBIAN),), 0, {"w0": NodeState.ARMED}), here.context, through, Nodes().not_well)  # fmt: skip
    task = asyncio.create_task(run.run())
    async with asyncio.timeout(60):
        while run.courses.get("w0") is None:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert ended == ["w0"]
