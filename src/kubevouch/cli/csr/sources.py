"""Who may have which name, as far as the operator of this command line says: a plan, --allow, or the node's own word.

The sources are no fall-through: the first that knows a node decides for it.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kubevouch.cli.common.allow import check_nodes, node_values
from kubevouch.evidence.policy_evidence import PolicyEvidence
from kubevouch.evidence.snapshot import is_control_plane
from kubevouch.policy.claims import AllowedNames, Claim, NameSource, allowed_names_of, with_said
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

    def check(self, evidence: PolicyEvidence) -> None:
        """Who is named with --allow is a Node of the cluster, as far as its Nodes are known. Raises UsageError."""
        if evidence.nodes.is_known:
            check_nodes(self.allowed, (node.name for node in evidence.nodes.or_else(())))

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
        planned = self.plan.nodes if self.plan else ()
        for each in planned:
            if each.node == node:
                return AllowedNames(
                    node, each.names, each.addresses, control_plane=is_control_plane(found)
                )
        said = self.allowed.get(node, ())
        trusts = self.trust_node_status
        return with_said(allowed_names_of(found, said=said, trusts_node=trusts), said)

    def _pinned(self) -> list[tuple[str, Claim]]:
        planned = self.plan.nodes if self.plan else ()
        pins = [(p.node, e) for p in planned for e in (*p.names, *p.addresses) if e.source.is_proof]
        pins += [
            (node, Claim(value, NameSource.OPERATOR))
            for node, values in self.allowed.items()
            for value in values
        ]
        return pins
