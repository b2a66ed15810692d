"""The nodes of a run, what the run does on each, and how many nodes may change at once. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

from kubevouch.kube.resources import Node
from kubevouch.rollout.decide.plan import NodePlan, Plan
from kubevouch.rollout.decide.run_status import NodeState

_MOST = 10
_SHARE = 10
"""The divisor for the number of nodes that may restart at once: one node in ten."""
_SIZES = (1, 2, 5, _MOST)


def stratum_of(node: Node) -> str:
    """The OS image, kubelet minor version and architecture. Nodes for which all three are equal share a canary."""
    info = node.status.node_info
    kubelet = ".".join(info.kubelet_version.removeprefix("v").split(".")[:2])
    known = (info.os_image, f"kubelet {kubelet}" if kubelet else "", info.architecture)
    return ", ".join(filter(None, known)) or "unknown kind"


@dataclass(frozen=True)
class Lineup:
    """The nodes of a run in the plan's order.

    soak: seconds to wait after a canary before other nodes follow. found: the run's state on each
    node before this attempt. Nodes that are not in `found` are untouched.
    """

    nodes: tuple[NodePlan, ...]
    soak: float
    found: Mapping[str, NodeState] = field(default_factory=dict)

    def state(self, node: NodePlan) -> NodeState:
        """The run's state on the node before this attempt."""
        return self.found.get(node.node, NodeState.UNTOUCHED)

    @cached_property
    def cap(self) -> int:
        """How many nodes may restart at once."""
        return max(1, min(len(self.nodes) // _SHARE, _MOST))

    @cached_property
    def strata(self) -> Mapping[str, tuple[NodePlan, ...]]:
        """The workers to change, by stratum.

        The first node of a stratum is its canary. Within a stratum, nodes that are done come first,
        then nodes on which the run is armed.
        """
        found: dict[str, list[NodePlan]] = {}
        for each in self.nodes:
            if each.writes and not each.control_plane and self.state(each) is not NodeState.FAILED:
                found.setdefault(each.stratum, []).append(each)
        return {key: tuple(sorted(nodes, key=self._to_do)) for key, nodes in found.items()}

    def _to_do(self, node: NodePlan) -> int:
        return {NodeState.DONE: 0, NodeState.ARMED: 1}.get(self.state(node), 2)

    @cached_property
    def canaries(self) -> frozenset[str]:
        """The first node of each stratum."""
        return frozenset(nodes[0].node for nodes in self.strata.values())

    @cached_property
    def control_planes(self) -> tuple[NodePlan, ...]:
        """The untouched control-plane nodes to change, in the plan's order."""
        return tuple(each for each in self.of(NodeState.UNTOUCHED) if each.control_plane)

    @cached_property
    def approvals(self) -> tuple[NodePlan, ...]:
        """The nodes on which the run only approves a CSR."""
        return tuple(each for each in self.nodes if not each.writes)

    @property
    def in_turn(self) -> tuple[NodePlan, ...]:
        """All nodes, in the order in which the run works on them."""
        others = [each for nodes in self.strata.values() for each in nodes[1:]]
        canaries = [nodes[0] for nodes in self.strata.values()]
        planned = [*self.approvals, *canaries, *others, *self.control_planes]
        first = [*self.of(NodeState.FAILED), *self.of(NodeState.ARMED)]
        return tuple({each.node: each for each in (*first, *planned)}.values())

    def of(self, *states: NodeState) -> tuple[NodePlan, ...]:
        """The nodes to change whose state before this attempt is in `states`."""
        return tuple(each for each in self.nodes if each.writes and self.state(each) in states)


def with_live_strata(plan: Plan, nodes: Iterable[Node]) -> Plan:
    """The plan with each node's current stratum (OS image, kubelet minor version, architecture)."""
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
