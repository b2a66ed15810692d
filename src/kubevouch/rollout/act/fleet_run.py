"""Carries out a run on many nodes, in the order of `decide.order`, several at once."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import msgspec

from kubevouch.evidence.gather.inquiry import of_each, together
from kubevouch.kube.errors import Forbidden, KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import ENDPOINT_SLICES, PODS, Narrow, Object, Resource
from kubevouch.kube.resources.pods import DISRUPTION_BUDGETS, PodDisruptionBudget
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.decide.gates import ProofGate
from kubevouch.rollout.decide.lineup import Lineup
from kubevouch.rollout.decide.order import (
    Course,
    HeldInCommon,
    Turn,
    Workloads,
    next_turn,
)
from kubevouch.rollout.decide.result import NodeResult
from kubevouch.rollout.decide.run_status import NodeState

_FRESH = 5.0
"""Seconds for which one read of the PodDisruptionBudgets and Services may be reused."""
_LOOK = 1.0
"""Seconds between checks for the operator's request to stop."""
_COUNTS_AS = {NodeState.UNTOUCHED: NodeState.UNDONE, NodeState.ARMED: NodeState.UNKNOWN}
"""Replacements for a node's final state when the next nodes are chosen.

An armed node counts as unknown, since its dead-man's switch may still undo the change.
"""

Reached = Callable[[ProofGate | None], None]
"""Called with the gate that a node waits for, or with None when a gate has failed and the undo starts."""


@dataclass
class FleetRun:
    """A run in progress on many nodes."""

    lineup: Lineup
    context: RolloutContext
    through: Callable[[str, Reached], Awaitable[NodeResult]]
    """Changes and verifies one node, and returns its result."""

    not_well: Callable[[str], Awaitable[str]]
    """Returns why a canary is not healthy after its soak; empty if it is healthy."""

    courses: dict[str, Course] = field(init=False)
    results: dict[str, NodeResult] = field(default_factory=dict, init=False)
    stopped: str = field(default="", init=False)
    """The failure, or the loss of the Lease, that stopped the run; empty if nothing did."""

    def __post_init__(self) -> None:
        now = self.context.clock.monotonic()
        self.courses = {
            each.node: Course(NodeState.DONE, ended=now) for each in self.lineup.of(NodeState.DONE)
        }
        self._workloads = Workloads()
        self._read: float | None = None
        self._said = ""
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Runs the rollout on all nodes.

        Returns once no node is in progress and no more nodes may start.
        """
        try:
            async with asyncio.TaskGroup() as group:
                while (turn := await self._turn()) is not None:
                    for node in turn.begin:
                        now = self.context.clock.monotonic()
                        self.courses[node] = Course(NodeState.ARMED, began=now)
                        group.create_task(self._through(node))
                    for node in turn.look_at:
                        await self._look_at(node)
                    self._tell(turn)
                    if not turn.look_at:
                        await self._wait(turn.again)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _turn(self) -> Turn | None:
        turn = self._next()
        if turn.begin and self._is_stale():
            most = 2 * self.lineup.cap
            self._workloads = await read_workloads(self.context.api, most)
            self._read = self.context.clock.monotonic()
            turn = self._next()
        if self.context.stop():
            turn = Turn()
        elif (lost := self.context.why_lost) and turn != Turn():
            turn = Turn(stop=lost)  # also during a soak: this run may write no more
        self.stopped = turn.stop
        active = any(each.active for each in self.courses.values())
        return turn if active or turn.begin or turn.look_at or turn.again is not None else None

    def _next(self) -> Turn:
        now = self.context.clock.monotonic()
        return next_turn(self.lineup, self.courses, self._workloads, now)

    def _is_stale(self) -> bool:
        now = self.context.clock.monotonic()
        return self._read is None or now - self._read > _FRESH

    async def _through(self, node: str) -> None:
        def reached(gate: ProofGate | None) -> None:
            if self.courses[node].gate is not gate:
                self.courses[node] = replace(self.courses[node], gate=gate)
                self._news.set()

        try:
            result = await self.through(node, reached)
        except Exception as error:  # noqa: BLE001 - our bug with one node must not stop the others
            why = f"an internal error, {type(error).__name__}: {error}"
            result = NodeResult(node, NodeState.ARMED, why)
        self.results[node] = result
        self.courses[node] = replace(
            self.courses[node],
            state=self._counts_as(result),
            ended=self.context.clock.monotonic(),
            for_good=result.for_good,
        )
        self._news.set()

    def _counts_as(self, result: NodeResult) -> NodeState:
        """The state that counts when the next nodes are chosen.

        A skipped node counts as done, unless it is a canary.
        """
        if result.away and result.node not in self.lineup.canaries:
            return NodeState.DONE
        return _COUNTS_AS.get(result.state, result.state)

    async def _look_at(self, canary: str) -> None:
        said = await self.not_well(canary)
        state = NodeState.UNDONE if said else NodeState.DONE
        self.courses[canary] = replace(self.courses[canary], state=state, soaked=not said)
        if said:
            before = self.results.get(canary) or NodeResult(canary, NodeState.DONE)
            self.results[canary] = msgspec.structs.replace(before, why=said)
            self.context.progress.step(canary, said)
        else:
            self.context.progress.step(canary, "healthy after soak")

    def _tell(self, turn: Turn) -> None:
        done = sum(each.state is NodeState.DONE for each in self.courses.values())
        samples = sum(
            each.active and each.gate is ProofGate.METRICS for each in self.courses.values()
        )
        parts = [f"{done} of {len(self.lineup.nodes)} nodes done"]
        if samples:
            parts.append(f"{samples} wait for metrics")
        if turn.waits_for:
            parts.append(f"next: {turn.waits_for}")
        self.context.progress.whole("; ".join(parts))
        if self._workloads.unread and self._workloads.unread != self._said:
            self._said = self._workloads.unread
            self.context.progress.step("all nodes", f"one node at a time: {self._said}")

    async def _wait(self, again: float | None) -> None:
        now = self.context.clock.monotonic()
        longest = _LOOK if again is None else max(0.0, min(_LOOK, again - now))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await self._news.wait()
        self._news.clear()


_AT_ONCE = 8
_ENDED = ("Succeeded", "Failed")


class _PlacedSpec(Narrow, frozen=True, kw_only=True):
    node_name: str = ""


class _PlacedStatus(Narrow, frozen=True, kw_only=True):
    phase: str = ""


class _Placed(Object, frozen=True, kw_only=True):
    """A Pod's node and phase. Other fields are not parsed, since a cluster may have 100,000 Pods."""

    spec: _PlacedSpec = _PlacedSpec()
    status: _PlacedStatus = _PlacedStatus()


_PLACED = Resource("", "v1", PODS.plural, PODS.kind, _Placed, namespaced=True)


async def read_workloads(api: ApiClient, most: int) -> Workloads:
    """The PodDisruptionBudgets and Services that limit which nodes may be in progress together.

    `unread` is the reason if they cannot be read. most: how many nodes may be in progress at once.
    Budgets that allow more disruptions, and Services that are ready on more nodes, are left out.
    """
    try:
        budgets, services = await together(_budgets(api, most), _services(api, most))
    except Forbidden as error:
        return Workloads(unread=f"not allowed to {error.verb} {error.resource}")
    except KubeError as error:
        return Workloads(unread=str(error))
    return Workloads((*budgets, *services))


async def _budgets(api: ApiClient, most: int) -> list[HeldInCommon]:
    """PodDisruptionBudgets that expect several pods and allow at most `most` disruptions."""
    found = await api.list_all(DISRUPTION_BUDGETS)
    tight = [
        each
        for each in found
        if each.status.disruptions_allowed <= most
        and each.status.expected_pods > 1
        and each.spec.selector is not None
    ]
    return list(await of_each(tight, lambda each: _budget(api, each), at_once=_AT_ONCE))


async def _budget(api: ApiClient, budget: PodDisruptionBudget) -> HeldInCommon:
    pods: Counter[str] = Counter()
    pages = api.pages(_PLACED, _Placed, budget.namespace, label_selector=str(budget.spec.selector))
    async for page in pages:
        pods.update(
            pod.spec.node_name
            for pod in page.items
            if pod.spec.node_name and pod.status.phase not in _ENDED
        )
    status = budget.status
    return HeldInCommon(
        name=f"PodDisruptionBudget {budget.namespace}/{budget.name}",
        spare=status.disruptions_allowed,
        pods=pods,
        is_whole=status.current_healthy >= status.expected_pods,
    )


async def _services(api: ApiClient, most: int) -> list[HeldInCommon]:
    """Services that have endpoints on several nodes, and ready endpoints on 1 to `most` nodes.

    Counts one endpoint per node.
    """
    ready: dict[str, set[str]] = {}
    nodes: dict[str, set[str]] = {}
    async for page in api.pages(ENDPOINT_SLICES, ENDPOINT_SLICES.struct):
        for each in page.items:
            name = f"Service {each.namespace}/{each.service}"
            for endpoint in each.endpoints if each.service else ():
                if not endpoint.node_name or len(ready.get(name, ())) > most:
                    continue
                nodes.setdefault(name, set()).add(endpoint.node_name)
                if endpoint.conditions.is_ready:
                    ready.setdefault(name, set()).add(endpoint.node_name)
    return [
        HeldInCommon(
            name=name,
            spare=len(found) - 1,
            pods=dict.fromkeys(nodes[name], 1),
            is_whole=len(found) > 1 or found == nodes[name],
        )
        for name, found in ready.items()
        if len(found) <= most and len(nodes[name]) > 1
    ]
