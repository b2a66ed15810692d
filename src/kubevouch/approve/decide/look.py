"""The facts about one CSR at the moment of the decision, from the view and the live Node, and what the policy says."""

from dataclasses import dataclass
from datetime import datetime

from kubevouch.approve.decide.view import ClusterView, live_node
from kubevouch.approve.decide.waiting import WaitingCsr
from kubevouch.kube.resources import Node
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import AskedNames
from kubevouch.policy.csr import Csr, asked_of, requestor_node
from kubevouch.policy.decide import EVEN_IF_DECIDED, Decision, decide
from kubevouch.policy.facts import CsrFacts, NodeSeen
from kubevouch.policy.ownership import reserved_addresses
from kubevouch.policy.reserved import ReservedNames
from kubevouch.policy.sources.choice import SourceAnswer, answer_for
from kubevouch.policy.sources.renewal import RenewalEvidence
from kubevouch.policy.usable import usable_addresses


@dataclass(frozen=True, slots=True)
class LookedAt:
    """What the policy says about a CSR, and which source said what its node may have."""

    decision: Decision
    answer: SourceAnswer | None
    """None: there is no Node to ask about."""


def look(
    view: ClusterView,
    waiting: WaitingCsr,
    live: Node | None,
    reserved: ReservedNames,
    *,
    at: datetime,
    renewal: RenewalEvidence | None = None,
) -> LookedAt:
    """Asks every rule. live: the requestor's Node, read for this look; None: no Node has that name."""
    answer = _answer(view, waiting.csr, live, at, renewal)
    seen: NodeSeen | None = None
    if waiting.node is not None:
        uid = live.uid if live else ""
        created = live.metadata.creation_timestamp if live else None
        seen = NodeSeen(waiting.first_uid or uid, uid, created)
    left = view.budget.left(waiting.node or "", at)
    facts = _facts(view, waiting.csr, live, reserved, answer, at=at, node_seen=seen, left=left)
    return LookedAt(decide(facts), answer)


def look_back(
    view: ClusterView, csr: Csr, reserved: ReservedNames, approved_at: datetime
) -> Decision:
    """What the policy says about a CSR that somebody else has approved, by what the watches have shown.

    Nothing is read for it and nobody is dialled, so what only a handshake could show cannot be told.
    """
    node = view.nodes.get(requestor_node(csr) or "")
    answer = _answer(view, csr, node, approved_at, None)
    return decide(_facts(view, csr, node, reserved, answer, at=approved_at), EVEN_IF_DECIDED)


def may_be_dialled(csr: Csr, reserved: ReservedNames, at: datetime) -> bool:
    """Whether every address that is asked for may be a kubelet's at all. Nothing else is ever dialled."""
    facts = CsrFacts(csr=csr, at=at, node_exists=None, allowed=None, reserved=reserved)
    asked = facts.asked
    if asked is None or not 0 < len(asked.addresses) <= facts.limits.addresses:
        return False
    return all(
        rule(facts).outcome is Outcome.PASS for rule in (usable_addresses, reserved_addresses)
    )


def _answer(
    view: ClusterView, csr: Csr, node: Node | None, at: datetime, renewal: RenewalEvidence | None
) -> SourceAnswer | None:
    if node is None:
        return None
    asked = asked_of(csr) or AskedNames()
    return answer_for(node, asked, view.sources.current, at=at, renewal=renewal)


def _facts(
    view: ClusterView,
    csr: Csr,
    node: Node | None,
    reserved: ReservedNames,
    answer: SourceAnswer | None,
    *,
    at: datetime,
    node_seen: NodeSeen | None = None,
    left: int | None = None,
) -> CsrFacts:
    asked, live = asked_of(csr) or AskedNames(), live_node(node) if node else None
    standing = (
        view.standings.of(live, csr.credential_ids, told=view.csrs.told)
        if view.standings is not None and live is not None
        else None
    )
    name = requestor_node(csr)
    return CsrFacts(
        csr=csr,
        at=at,
        node_exists=None if name is None else node is not None,
        allowed=answer.allowed if answer else None,
        other_nodes=view.index.others(
            name or "", asked, reserved.shared, view.sources.written.among(asked)
        ),
        reserved=reserved,
        newest=view.csrs.newest(csr),
        node_seen=node_seen,
        key_shown_by=view.csrs.shown_by(csr),
        approvals_left=left,
        standing=standing,
        limits=view.sources.configuration_or_default.limits,
    )
