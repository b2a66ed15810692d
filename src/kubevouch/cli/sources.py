"""Who may have which name, as far as the operator of this command line says: a plan, --allow, or the node's own word.

The sources are no fall-through: the first that knows a node decides for it.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kubevouch.errors import UsageError
from kubevouch.evidence.policy_evidence import Registry
from kubevouch.evidence.snapshot import is_control_plane
from kubevouch.policy.facts import as_address, claimed_entries, question_of
from kubevouch.policy.identity import requestor_node
from kubevouch.policy.judge import Judgement, judge
from kubevouch.policy.question import Allowance, Entry, Request, Source
from kubevouch.rollout.plan import Plan, read_plan


@dataclass(frozen=True)
class Sources:
    """What was said on the command line."""

    plan: Plan | None
    allowed: dict[str, tuple[str, ...]]
    trust_node_status: bool

    @staticmethod
    def of(allow: tuple[str, ...], plan_file: Path | None, *, trust_node_status: bool) -> "Sources":
        """Raises UsageError for a plan that is none, or an --allow that is not NODE=VALUE."""
        return Sources(
            read_plan(plan_file) if plan_file else None, node_values(allow), trust_node_status
        )

    def judged(self, request: Request, registry: Registry, at: datetime) -> Judgement:
        """What the policy says with these sources."""
        node = requestor_node(request)
        question = question_of(
            request,
            registry,
            at=at,
            allowance=self.allowance(node, registry) if node else None,
            pinned=self._pinned(),
        )
        return judge(question)

    def allowance(self, node: str, registry: Registry) -> Allowance | None:
        """What the node may have: by the plan, else by --allow, else by its own word."""
        found = registry.node(node)
        if found is None:
            return None
        names, addresses = claimed_entries(found)
        trusts = self.trust_node_status
        planned = (
            next((each for each in self.plan.nodes if each.node == node), None)
            if self.plan
            else None
        )
        if planned is not None:
            names, addresses, trusts = planned.names, planned.addresses, False
        elif node in self.allowed:
            said = [Entry(value, Source.OPERATOR) for value in self.allowed[node]]
            values = {entry.value for entry in said}
            names = (
                *(e for e in said if as_address(e.value) is None),
                *(e for e in names if e.value not in values),
            )
            addresses = (
                *(Entry(str(as_address(e.value)), e.source) for e in said if as_address(e.value)),
                *(e for e in addresses if e.value not in values),
            )
        return Allowance(
            node=node,
            names=names,
            addresses=addresses,
            control_plane=is_control_plane(found),
            trusts_node=trusts,
        )

    def _pinned(self) -> list[tuple[str, Entry]]:
        planned = self.plan.nodes if self.plan else ()
        pins = [(p.node, e) for p in planned for e in (*p.names, *p.addresses) if e.source.is_proof]
        pins += [
            (node, Entry(value, Source.OPERATOR))
            for node, values in self.allowed.items()
            for value in values
        ]
        return pins


def node_values(given: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """NODE=VALUE words by node. Raises UsageError."""
    found: dict[str, tuple[str, ...]] = {}
    for word in given:
        node, equals, value = word.partition("=")
        if not (node and equals and value):
            raise UsageError(word, "is not NODE=VALUE", "worker-1=192.168.88.112, say")
        found[node] = (*found.get(node, ()), value)
    return found
