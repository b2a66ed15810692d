"""Who may have which name, as far as the operator of this command line says: a plan, --allow, or the node's own word.

The sources are no fall-through: the first that knows a node decides for it.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kubevouch.cli.common.allow import node_values
from kubevouch.evidence.policy_evidence import PolicyEvidence
from kubevouch.evidence.snapshot import is_control_plane
from kubevouch.policy.claims import AllowedNames, Claim, NameSource, as_address, claims_of
from kubevouch.policy.csr import Csr, requestor_node
from kubevouch.policy.decide import Decision, decide
from kubevouch.policy.facts import csr_facts
from kubevouch.rollout.decide.plan import Plan, read_plan


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

    def judged(self, request: Csr, policy_evidence: PolicyEvidence, at: datetime) -> Decision:
        """What the policy says with these sources."""
        node = requestor_node(request)
        facts = csr_facts(
            request,
            policy_evidence,
            at=at,
            allowed=self.allowance(node, policy_evidence) if node else None,
            pinned=self._pinned(),
        )
        return decide(facts)

    def allowance(self, node: str, policy_evidence: PolicyEvidence) -> AllowedNames | None:
        """What the node may have: by the plan, else by --allow, else by its own word."""
        found = policy_evidence.node(node)
        if found is None:
            return None
        names, addresses = claims_of(found)
        trusts = self.trust_node_status
        planned = (
            next((each for each in self.plan.nodes if each.node == node), None)
            if self.plan
            else None
        )
        if planned is not None:
            names, addresses, trusts = planned.names, planned.addresses, False
        elif node in self.allowed:
            said = [Claim(value, NameSource.OPERATOR) for value in self.allowed[node]]
            values = {entry.value for entry in said}
            names = (
                *(e for e in said if as_address(e.value) is None),
                *(e for e in names if e.value not in values),
            )
            addresses = (
                *(Claim(str(as_address(e.value)), e.source) for e in said if as_address(e.value)),
                *(e for e in addresses if e.value not in values),
            )
        return AllowedNames(
            node=node,
            names=names,
            addresses=addresses,
            control_plane=is_control_plane(found),
            trusts_node=trusts,
        )

    def _pinned(self) -> list[tuple[str, Claim]]:
        planned = self.plan.nodes if self.plan else ()
        pins = [(p.node, e) for p in planned for e in (*p.names, *p.addresses) if e.source.is_proof]
        pins += [
            (node, Claim(value, NameSource.OPERATOR))
            for node, values in self.allowed.items()
            for value in values
        ]
        return pins
