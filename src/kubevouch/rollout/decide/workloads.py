"""What the nodes of a cluster hold in common, so that not all of it may be restarted under at once. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class HeldInCommon:
    """A PodDisruptionBudget or a Service as it stands now."""

    name: str
    """With its kind, as in `Service shop/cart`."""

    spare: int
    """How many of its pods may be missing at once: disruptionsAllowed, or all ready endpoints but one."""

    pods: Mapping[str, int]
    """How many of its pods or endpoints are on which node."""

    is_whole: bool = True
    """Whether every one of them is healthy; of a Service, whether more than its last endpoint is ready."""

    def objection(self, node: str, in_hand: Collection[str], lately: Collection[str]) -> str:
        """Why the node may not begin now; empty if it may.

        Alone a node always may: what allows nothing holds a node back from others, not from its change.
        """
        others = [each for each in in_hand if each in self.pods]
        taken = sum(self.pods[each] for each in others)
        if others and taken + self.pods[node] > self.spare:
            return f"{others[0]} holds pods of the same {self.name}"
        before = next((each for each in lately if each in self.pods and each != node), "")
        if before and not self.is_whole:
            return f"not all pods of {self.name} are ready since {before}"
        return ""


@dataclass(frozen=True)
class Workloads:
    """Everything that nodes hold in common, at one moment. unread: why that is not known; empty if it is."""

    held: tuple[HeldInCommon, ...] = ()
    unread: str = ""

    @cached_property
    def _by_node(self) -> Mapping[str, list[HeldInCommon]]:
        found: dict[str, list[HeldInCommon]] = {}
        for each in self.held:
            for node in each.pods:
                found.setdefault(node, []).append(each)
        return found

    def objection(self, node: str, in_hand: Collection[str], lately: Collection[str]) -> str:
        """Why the node may not begin now; empty if it may.

        in_hand: nodes that have begun and are not proven. lately: those, and nodes that were in hand a moment ago.
        """
        if self.unread and in_hand:
            return f"one node at a time: {self.unread}"
        reasons = (each.objection(node, in_hand, lately) for each in self._by_node.get(node, ()))
        return next(filter(None, reasons), "")
