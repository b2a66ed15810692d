"""The nodes of a run, the task on each, and how many may change at once. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import msgspec

from kubevouch.kube.resources import Node
from kubevouch.rollout.decide.plan import ChangeKind, NodePlan, Plan
from kubevouch.rollout.decide.run_status import NodeState

_MOST = 10
_SHARE = 10
"""At most one node in this many restarts at a time."""
_SIZES = (1, 2, 5, _MOST)


def stratum_of(node: Node) -> str:
    """The OS image, kubelet minor version and architecture. Nodes for which all three are equal share a canary."""
    info = node.status.node_info
    kubelet = ".".join(info.kubelet_version.removeprefix("v").split(".")[:2])
    known = (info.os_image, f"kubelet {kubelet}" if kubelet else "", info.architecture)
    return ", ".join(filter(None, known)) or "unknown kind"


@dataclass(frozen=True, slots=True)
class TaskedNode:
    """A node of a run. state: the run's state on it before the start. approves: whether the run only approves its CSR."""

    node: str
    stratum: str
    state: NodeState = NodeState.UNTOUCHED
    control_plane: bool = False
    approves: bool = False


@dataclass(frozen=True)
class Lineup:
    """The nodes of a run in the plan's order. soak: seconds to wait after a canary before others follow."""

    nodes: tuple[TaskedNode, ...]
    soak: float

    @cached_property
    def cap(self) -> int:
        """How many nodes may restart at once."""
        return max(1, min(len(self.nodes) // _SHARE, _MOST))

    @cached_property
    def strata(self) -> Mapping[str, tuple[TaskedNode, ...]]:
        """The workers to change, by stratum. The first of each stratum is the canary, a healthy node if possible."""
        found: dict[str, list[TaskedNode]] = {}
        for each in self.nodes:
            if not each.control_plane and not each.approves and each.state is not NodeState.FAILED:
                found.setdefault(each.stratum, []).append(each)
        return {key: tuple(sorted(nodes, key=_least_to_do)) for key, nodes in found.items()}

    @cached_property
    def canaries(self) -> frozenset[str]:
        """The first node of each stratum."""
        return frozenset(nodes[0].node for nodes in self.strata.values())

    @cached_property
    def control_planes(self) -> tuple[TaskedNode, ...]:
        """The control planes to change, in the plan's order."""
        return tuple(each for each in self.of(NodeState.UNTOUCHED) if each.control_plane)

    @cached_property
    def approvals(self) -> tuple[TaskedNode, ...]:
        """The nodes on which the run only approves a CSR."""
        return tuple(each for each in self.nodes if each.approves)

    @property
    def in_turn(self) -> tuple[TaskedNode, ...]:
        """All nodes in the order of their turns."""
        others = [each for nodes in self.strata.values() for each in nodes[1:]]
        canaries = [nodes[0] for nodes in self.strata.values()]
        planned = [*self.approvals, *canaries, *others, *self.control_planes]
        return tuple(
            dict.fromkeys([*self.of(NodeState.FAILED), *self.of(NodeState.ARMED), *planned])
        )

    def of(self, *states: NodeState) -> tuple[TaskedNode, ...]:
        """The nodes to change whose state before the start was one of these."""
        return tuple(each for each in self.nodes if not each.approves and each.state in states)


def _least_to_do(node: TaskedNode) -> int:
    return {NodeState.DONE: 0, NodeState.ARMED: 1}.get(node.state, 2)


def lineup_of(nodes: Iterable[NodePlan], found: Mapping[str, NodeState], soak: float) -> Lineup:
    """The lineup of a plan's nodes. found: the run's state on each node; untouched if missing."""
    return Lineup(
        tuple(
            TaskedNode(
                each.node,
                each.stratum,
                found.get(each.node, NodeState.UNTOUCHED),
                each.control_plane,
                each.change is ChangeKind.APPROVE,
            )
            for each in nodes
        ),
        soak,
    )


def with_live_strata(plan: Plan, nodes: Iterable[Node]) -> Plan:
    """The plan with the current strata of its Nodes."""
    strata = {node.name: stratum_of(node) for node in nodes}
    return msgspec.structs.replace(
        plan,
        nodes=tuple(
            msgspec.structs.replace(each, stratum=strata.get(each.node, each.stratum))
            for each in plan.nodes
        ),
    )


def at_once(proven: int, most: int) -> int:
    """How many nodes may change at once when `proven` nodes are done: 1, then 2, 5 and 10, but at most `most`."""
    for size in _SIZES:
        if proven < size:
            return min(size, most)
        proven -= size
    return min(_MOST, most)
