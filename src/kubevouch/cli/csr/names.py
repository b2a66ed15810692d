"""What a node may have by what the operator gives: a plan, what is written down in the cluster, --allow, or the node's own status. Pure.

The sources are no fall-through: the first that knows a node decides for it, and what --allow says of it comes besides.
A plan is the operator's word of today. Then comes what the approver would go by: the inventory, pins, and its own record.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import msgspec

from kubevouch.approve.decide.sources import WatchedSources
from kubevouch.cli.approver.installation import NAMESPACE
from kubevouch.cli.csr.judgement import CsrEvidence, NamesAnswer
from kubevouch.evidence.measured import Measured
from kubevouch.kube.resources import Node
from kubevouch.policy.claims import (
    AskedNames,
    Claim,
    NameSource,
    allowed_names_of,
    as_address,
    claims_value,
    confirmed,
    with_said,
)
from kubevouch.policy.csr import Csr, asked_of
from kubevouch.policy.pins import Pins, allowed_by_pins
from kubevouch.policy.sources.choice import IdentitySource, unknown_by_writing, written_answer
from kubevouch.policy.written import WrittenClaims
from kubevouch.rollout.decide.plan import NodePlan, Plan


@dataclass(frozen=True)
class GivenNames:
    """What the command line gives: --plan, --allow by node, and --trust-node-status."""

    plan: Plan | None
    allowed: dict[str, tuple[str, ...]]
    trust_node_status: bool

    def says_of(self, node: str | None) -> bool:
        """Whether the operator says today what this node has."""
        return self.trust_node_status or node in self.allowed or node in self._planned

    def names_of(
        self, node: str | None, evidence: CsrEvidence, asked: AskedNames | None = None
    ) -> NamesAnswer:
        """What the node may have: by the first source that knows it, and by --allow."""
        found = evidence.indexed.node(node) if node else None
        if found is None:
            return NamesAnswer(None, IdentitySource.NONE, "it is not known whose CSR this is")
        answer = (
            self._by_plan(found, evidence)
            or self._by_writing(found, evidence.written)
            or self._by_its_own_word(found, evidence.written, asked or AskedNames())
        )
        said = self.allowed.get(found.name, ())
        if not said or answer.allowed is None:
            return answer
        allowed = with_said(confirmed(answer.allowed, said), said)
        why = f"{answer.why}; and by --allow"
        if answer.source is IdentitySource.NODE_STATUS and not self.trust_node_status:
            why = f"by --allow; without it {answer.why}"  # the node's own word has not counted
        return replace(answer, allowed=allowed, why=why)

    def _by_plan(self, node: Node, evidence: CsrEvidence) -> NamesAnswer | None:
        found = self._planned.get(node.name)
        if self.plan is None or found is None:
            return None
        pins = _pins(found, self.plan.made_at)
        addresses = (as_address(each.value) for each in (*pins.names, *pins.addresses))
        asked = AskedNames((), tuple(each for each in addresses if each is not None))
        indexed, said = evidence.indexed, self.allowed.get(node.name, ())
        others = indexed.claimed.others(node.name, asked, indexed.reserved.shared)
        allowed = allowed_by_pins(pins, node, others, at=evidence.own_at, said=said)
        return NamesAnswer(allowed, "plan", f"the plan of {self.plan.made_at:%Y-%m-%d %H:%M} UTC")

    def _by_writing(self, node: Node, written: Measured[WatchedSources]) -> NamesAnswer | None:
        """As the approver would answer. A weaker word of the command line does not beat it."""
        answer = written_answer(node, written.value.current) if written.value else None
        if answer is None:
            return None
        why = f"{answer.why}; --trust-node-status does not count beside that"
        return NamesAnswer(
            answer.allowed, answer.source, why if self.trust_node_status else answer.why
        )

    def _by_its_own_word(
        self, node: Node, written: Measured[WatchedSources], asked: AskedNames
    ) -> NamesAnswer:
        """Its own word counts only if it is known that no stronger source knows the node."""
        trusts = self.trust_node_status and written.is_known
        allowed = allowed_names_of(node, said=self.allowed.get(node.name, ()), trusts_node=trusts)
        why, advice = "only the node itself says so", ""
        if written.doubt is not None:
            why += f", and what is pinned in {NAMESPACE} is not known: {written.doubt.text}"
        elif written.value is not None:
            unknown = unknown_by_writing(written.value.current)
            why += f"; {unknown}"
            advice = f"kubevouch approver pin {node.name}"
            # As the approver says in its Event: for one CSR there is one reason. What is not claimed the rule adds.
            pinned = all(claims_value(node, value) for value in asked.values)
            unknown += f". If it is yours: {advice}" if pinned else ""
            allowed = msgspec.structs.replace(allowed, unknown=unknown)
        unread = written.doubt is not None
        return NamesAnswer(allowed, IdentitySource.NODE_STATUS, why, advice, unread)

    def pinned(self, csr: Csr, evidence: CsrEvidence) -> list[tuple[str, Claim]]:
        """Who has what this CSR asks for, by what is proven, written down and said."""
        asked = asked_of(csr) or AskedNames()
        pins = [*self._proven.among(asked)]
        if evidence.written.value is not None:
            pins += evidence.written.value.written.among(asked)
        pins += [
            (node, Claim(value, NameSource.OPERATOR))
            for node, values in self.allowed.items()
            for value in values
        ]
        return pins

    @cached_property
    def _planned(self) -> dict[str, NodePlan]:
        return {each.node: each for each in self.plan.nodes} if self.plan else {}

    @cached_property
    def _proven(self) -> WrittenClaims:
        """What the plan has proven of its nodes."""
        found = WrittenClaims()
        for node in self._planned.values():
            claims = (each for each in (*node.names, *node.addresses) if each.source.is_proof)
            found.put(node.node, tuple(claims))
        return found


def _pins(planned: NodePlan, made_at: datetime) -> Pins:
    return Pins(
        node=planned.node,
        uid=planned.uid,
        machine_id=planned.machine_id,
        made_at=made_at,
        names=planned.names,
        addresses=planned.addresses,
    )
