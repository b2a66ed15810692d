"""What the nodes of a cluster hold in common, so that not all of it may be restarted under at once. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class DisruptionBudget:
    """A PodDisruptionBudget as it stands now, and how many of its pods are on which node."""

    name: str
    allowed: int
    """Its disruptionsAllowed."""

    pods: Mapping[str, int]
    is_whole: bool = True
    """Whether every pod that it expects is healthy."""

    def objection(self, node: str, in_hand: Collection[str], lately: Collection[str]) -> str:
        """Why the node may not begin now; empty if it may.

        Alone a node always may: a budget that allows nothing holds a node back from others, not from its change.
        """
        others = [each for each in in_hand if each in self.pods]
        taken = sum(self.pods[each] for each in others)
        if others and taken + self.pods[node] > self.allowed:
            return f"{others[0]} holds pods of the same PodDisruptionBudget {self.name}"
        before = next((each for each in lately if each in self.pods and each != node), "")
        if before and not self.is_whole:
            return f"not all pods of PodDisruptionBudget {self.name} are healthy since {before}"
        return ""


@dataclass(frozen=True)
class ServedBy:
    """A Service, and the nodes that hold its endpoints."""

    name: str
    ready: frozenset[str]
    """Nodes with a ready endpoint."""

    nodes: frozenset[str]
    """Nodes with an endpoint, ready or not."""

    def objection(self, node: str, in_hand: Collection[str], lately: Collection[str]) -> str:
        """Why the node may not begin now; empty if it may. What only one node has goes when that node's turn comes."""
        if node not in self.ready or any(
            each != node and each not in in_hand for each in self.ready
        ):
            return ""
        if other := next((each for each in in_hand if each in self.nodes and each != node), ""):
            return f"{other} and it hold the last ready endpoints of Service {self.name}"
        before = next((each for each in lately if each in self.nodes and each != node), "")
        if before:
            return f"it holds the last ready endpoint of Service {self.name} until {before}'s is ready again"
        return ""


@dataclass(frozen=True)
class Workloads:
    """Everything that nodes hold in common, at one moment. unread: why that is not known; empty if it is."""

    budgets: tuple[DisruptionBudget, ...] = ()
    services: tuple[ServedBy, ...] = ()
    unread: str = ""

    @cached_property
    def _by_node(self) -> Mapping[str, list[DisruptionBudget | ServedBy]]:
        found: dict[str, list[DisruptionBudget | ServedBy]] = {}
        for each, nodes in self._held():
            for node in nodes:
                found.setdefault(node, []).append(each)
        return found

    def _held(self) -> Iterator[tuple[DisruptionBudget | ServedBy, Iterable[str]]]:
        for budget in self.budgets:
            yield budget, budget.pods
        for service in self.services:
            yield service, service.ready

    def objection(self, node: str, in_hand: Collection[str], lately: Collection[str]) -> str:
        """Why the node may not begin now; empty if it may.

        in_hand: nodes that have begun and are not proven. lately: those, and nodes that were in hand a moment ago.
        """
        if self.unread and in_hand:
            return f"one node at a time: {self.unread}"
        return next(
            (
                why
                for each in self._by_node.get(node, ())
                if (why := each.objection(node, in_hand, lately))
            ),
            "",
        )
