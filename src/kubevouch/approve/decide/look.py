"""Decides one CSR: gathers facts from the view and the live Node, and applies the policy."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kubevouch.approve.decide.view import ClusterView
from kubevouch.approve.decide.waiting import WaitingCsr
from kubevouch.evidence.snapshot import is_control_plane
from kubevouch.kube.resources import Node
from kubevouch.kubelet.dial_result import KUBELET_PORT
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import AllowedNames, AskedNames, Claim, NameSource
from kubevouch.policy.credentials import live_node
from kubevouch.policy.csr import Csr, asked_of, requestor_node
from kubevouch.policy.decide import EVEN_IF_DECIDED, Decision, decide
from kubevouch.policy.facts import CsrFacts, NodeSeen
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.reserved import ReservedNames
from kubevouch.policy.sources.choice import SourceAnswer, answer_for
from kubevouch.policy.sources.configuration import IdentitySource
from kubevouch.policy.sources.renewal import RenewalEvidence


@dataclass(frozen=True, slots=True)
class LookedAt:
    """The policy's decision about a CSR, and the names that the node may have."""

    decision: Decision
    answer: SourceAnswer | None
    """The names that the node may have, and their source. None if the requestor has no Node."""


def look(
    view: ClusterView,
    waiting: WaitingCsr,
    csr: Csr,
    live: Node | None,
    reserved: ReservedNames,
    *,
    at: datetime,
    renewal: RenewalEvidence | None = None,
) -> LookedAt:
    """Applies every rule to a CSR.

    csr: the parsed request. live: the requestor's Node, read for this decision; None if no Node has
    that name.
    """
    answer = _answer(view, csr, live, at, renewal)
    seen: NodeSeen | None = None
    if waiting.node is not None:
        uid = live.uid if live else ""
        created = live.metadata.creation_timestamp if live else None
        seen = NodeSeen(waiting.first_uid or uid, uid, created)
    left = view.budget.left(waiting.node or "", at)
    facts = _facts(view, csr, live, reserved, answer, at=at, node_seen=seen, left=left)
    return LookedAt(decide(facts), answer)


def look_back(
    view: ClusterView, csr: Csr, reserved: ReservedNames, approved_at: datetime
) -> Decision:
    """The policy's decision about a CSR that another client has approved, from the watches' data only.

    Sends no request and dials no kubelet, so facts that need a handshake stay unknown.
    """
    node = view.nodes.get(requestor_node(csr) or "")
    answer = _answer(view, csr, node, approved_at, None)
    return decide(_facts(view, csr, node, reserved, answer, at=approved_at), EVEN_IF_DECIDED)


def may_be_dialled(
    view: ClusterView, csr: Csr, node: Node, reserved: ReservedNames, at: datetime
) -> bool:
    """Whether every rule would pass if the node served a certificate with all requested values.

    Only then may the node be dialled.

    A node can set its kubelet's port itself, so only the default port is dialled. Loopback
    addresses that the operator lists for kubelets are an exception.
    """
    asked = asked_of(csr)
    if asked is None:
        return False
    if node.kubelet_port != KUBELET_PORT and not reserved.loopback.issuperset(asked.addresses):
        return False
    allowed = AllowedNames(
        node.name,
        tuple(
            Claim(n, NameSource.NODE_NAME if n == node.name else NameSource.LIVE_CERTIFICATE)
            for n in asked.names
        ),
        tuple(Claim(str(each), NameSource.LIVE_CERTIFICATE) for each in asked.addresses),
        control_plane=is_control_plane(node),
    )
    answer = SourceAnswer(IdentitySource.RENEWAL, allowed, "")
    left = view.budget.left(node.name, at)
    # For a recreated Node, the served certificate shows whether the earlier kubelet still runs.
    facts = _facts(view, csr, node, reserved, answer, at=at, left=left, admitted=True)
    return decide(facts).outcome is Outcome.PASS


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
    admitted: bool = False,
) -> CsrFacts:
    """The facts for the policy. admitted: whether to treat the Node as admitted by the rule for new nodes."""
    asked, live = asked_of(csr) or AskedNames(), live_node(node) if node else None
    admitted = admitted or (answer is not None and answer.source.is_rule_for_new_nodes)
    watched = view.credentials
    told = view.waiting.told or (watched is not None and watched.told)
    standing = (
        watched.of(live, csr.credential_ids, told=told, admitted=admitted)
        if watched is not None and live is not None
        else None
    )
    name = requestor_node(csr)
    return CsrFacts(
        csr=csr,
        at=at,
        node_exists=None if name is None else node is not None,
        allowed=answer.allowed if answer else None,
        other_nodes=view.index.others(
            name or "",
            asked,
            reserved.shared,
            (*view.sources.written.among(asked), *view.approved_lately.among(asked, at)),
        ),
        reserved=reserved,
        newest=view.waiting.newest((csr.username, csr.credential_ids)),
        credentials_told=told,
        node_seen=node_seen,
        key_shown_by=view.keys.shown_by(csr),
        approvals_left=left,
        standing=standing,
        max_lifetime=view.sources.configuration_or_default.max_lifetime,
    )


FIRST: Final = 2.0
LONGEST: Final = 60.0
HELD: Final = 300.0
"""Seconds until a held CSR is decided again, unless its Node, its pin or the configuration changes
earlier."""

_FOR_GOOD: Final = {HoldReason.ALREADY_DECIDED, HoldReason.SUPERSEDED, HoldReason.TOO_OLD}


def is_over(decision: Decision) -> bool:
    """Whether the CSR can never pass, because it is decided, superseded or too old."""
    return any(each.reason in _FOR_GOOD for each in decision.held_by)


def next_look(
    decision: Decision | None, failures: int, rng: Callable[[], float], budget: timedelta
) -> float | None:
    """Seconds until the CSR is decided again; None if it can never pass.

    decision: None if a read or write failed. failures: consecutive inconclusive decisions,
    including this one. budget: the time until the node's budget allows one more approval.
    """
    if decision is None or decision.outcome is Outcome.CANNOT_TELL:
        longest = min(LONGEST, FIRST * 2.0 ** min(failures - 1, 16))
        # Half of the wait is random, to spread CSRs that wait for the same thing.
        return longest * (1 + rng()) / 2
    if is_over(decision):
        return None
    if any(each.reason is HoldReason.OVER_BUDGET for each in decision.held_by):
        return min(HELD, budget.total_seconds() + 1)
    return HELD
