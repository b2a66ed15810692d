"""The facts that a rule checks, and the result that it returns."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from kubevouch.outcome import Outcome
from kubevouch.policy.claims import AllowedNames, AskedNames, Claim, OtherNodes
from kubevouch.policy.credentials import CredentialAnswer
from kubevouch.policy.csr import Csr, asked_of, requestor_node
from kubevouch.policy.node_index import IndexedEvidence
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.reserved import ReservedNames

MAX_LIFETIME: Final = timedelta(days=366)
"""The longest lifetime that a CSR may request. The approver's configuration can change it."""


class EntitlementFacts(msgspec.Struct, frozen=True):
    """The facts for a check of the names and addresses that a node claims, before its first CSR."""

    allowed: AllowedNames
    other_nodes: OtherNodes | None
    reserved: ReservedNames

    @property
    def asked(self) -> AskedNames:
        """All claimed names and addresses. A kubelet requests every value in its Node's status."""
        return self.allowed.asked


class NodeSeen(msgspec.Struct, frozen=True):
    """The requestor's Node as it is now, and its UID when we first saw the CSR."""

    first_uid: str
    """The Node's UID when we first saw the CSR."""

    uid: str
    """The Node's UID now; "" if the Node is gone."""

    created: datetime | None = None


class CsrFacts(msgspec.Struct, frozen=True):
    """All facts that the rules need about a CSR."""

    csr: Csr
    at: datetime
    node_exists: bool | None
    """Whether a Node with the requestor's name exists; None if unknown."""

    allowed: AllowedNames | None
    """The names and addresses that this node may have; None if no source knows the node."""

    other_nodes: OtherNodes | None = OtherNodes()
    """What other nodes have or claim; None if the Nodes could not be read."""

    reserved: ReservedNames = ReservedNames()
    newest: str | None = None
    """The name of the requestor's newest serving CSR with the same credential, or (in
    `judged_by_hand`) with any accepted credential; None if unknown."""

    kubelet_started: datetime | None = None
    client_certificates: frozenset[str] | None = None
    """The SHA-256 of each client certificate on the node's disk, in lower-case hex; None if the
    disk was not read."""

    without_credential_id: bool = False
    """Whether the operator accepts CSRs without a credential ID. Ignored if `credentials_told`."""

    credentials_told: bool = False
    """Whether any known CSR, even a deleted one, contains its requestor's credential ID."""

    node_seen: NodeSeen | None = None
    """The requestor's Node, read right before the decision; None if it was not read."""

    key_shown_by: frozenset[str] | None = None
    """The nodes that requested a certificate for this public key; None if unknown."""

    approvals_left: int | None = None
    """How many CSRs of this node may be approved now; None if unknown."""

    standing: CredentialAnswer | None = None
    """Whether the CSR was created with the node's own client certificate; None if unknown."""

    pins_are_read: bool = True
    """Whether an approver that reads pins is installed."""

    max_lifetime: timedelta = MAX_LIFETIME

    @property
    def asked(self) -> AskedNames:
        """The names and addresses in the CSR. Raises ValueError if the CSR cannot be parsed.

        `decide` does not run the rules about names and addresses on such a CSR.
        """
        if (asked := asked_of(self.csr)) is None:
            raise ValueError(f"expected a parsed CSR, got {self.csr.name}")
        return asked


NameFacts = CsrFacts | EntitlementFacts
"""The facts for rules about names and addresses, in a CSR or in a node's claims."""


def csr_facts(
    csr: Csr,
    evidence: IndexedEvidence,
    *,
    at: datetime,
    allowed: AllowedNames | None,
    pinned: Iterable[tuple[str, Claim]] = (),
) -> CsrFacts:
    """Collects the facts about one CSR. Facts that the evidence does not tell keep their defaults.

    pinned: nodes and their claims, from pins and other sources.
    """
    node, asked, reserved = requestor_node(csr) or "", asked_of(csr), evidence.reserved
    others = evidence.claimed.others(node, asked or AskedNames(), reserved.shared, pinned)
    return CsrFacts(
        csr=csr,
        at=at,
        node_exists=evidence.node(node) is not None if evidence.knows_nodes else None,
        allowed=allowed,
        other_nodes=others if evidence.knows_nodes else None,
        reserved=reserved,
        newest=evidence.newest(csr),
        credentials_told=evidence.tells_credentials,
    )


class RuleResult(msgspec.Struct, frozen=True, rename="camel"):
    """The result of a rule.

    rule: the rule's name, which `decide` sets. seen: what the rule found. allowed: what it accepts.
    """

    rule: str
    outcome: Outcome
    reason: HoldReason
    message: str
    seen: str = ""
    allowed: str = ""
    operator_may_allow: tuple[str, ...] = ()
    """The values that the operator must allow for this node so that the rule passes; empty if the
    operator cannot override the rule."""

    def __str__(self) -> str:
        return f"{self.seen}: {self.message}" if self.seen else self.message


Rule = Callable[[CsrFacts], RuleResult]
NameRule = Callable[[NameFacts], RuleResult]


def passes(seen: str, allowed: str = "") -> RuleResult:
    """The result of a rule that passes."""
    return RuleResult("", Outcome.PASS, HoldReason.PASSES, "", seen, allowed)


def passes_if(
    *, good: bool, reason: HoldReason, message: str, seen: str, allowed: str
) -> RuleResult:
    """The result of a rule that passes if `good`, and otherwise holds the CSR for this reason."""
    return passes(seen, allowed) if good else refuses(reason, message, seen=seen, allowed=allowed)


def not_asked(why: str) -> RuleResult:
    """The result of a rule that passes without a check, since its input is missing."""
    return RuleResult("", Outcome.PASS, HoldReason.NOT_ASKED, why, f"not checked: {why}")


def refuses(
    reason: HoldReason,
    message: str,
    *,
    seen: str,
    allowed: str,
    operator_may_allow: tuple[str, ...] = (),
) -> RuleResult:
    """The result of a rule that holds the CSR because the CSR breaks it."""
    return RuleResult("", Outcome.REFUSE, reason, message, seen, allowed, operator_may_allow)


def cannot_tell(
    message: str,
    reason: HoldReason = HoldReason.NOT_IN_EVIDENCE,
    *,
    seen: str = "",
    allowed: str = "",
    operator_may_allow: tuple[str, ...] = (),
) -> RuleResult:
    """The result of a rule that holds the CSR because evidence is missing."""
    return RuleResult("", Outcome.CANNOT_TELL, reason, message, seen, allowed, operator_may_allow)


UNREADABLE: Final = cannot_tell("the CSR cannot be read", HoldReason.UNREADABLE)
"""The result of a rule about the contents of a CSR, if the CSR cannot be parsed."""


MOST_LISTED = 24
"""The maximum number of values to print. A CSR with thousands of names would fill a screen."""


def listed(values: Sequence[object]) -> str:
    """Joins values with commas, or returns "none". A long list ends in "and N more"."""
    shown = ", ".join(str(value) for value in values[:MOST_LISTED]) or "none"
    more = len(values) - MOST_LISTED
    return f"{shown} and {more} more" if more > 0 else shown
