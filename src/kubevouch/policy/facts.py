"""What a rule gets and gives: the facts (a CSR, what its node and other nodes have, what is reserved), and its result."""

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
"""Of a certificate, where the approver's configuration does not say."""


class EntitlementFacts(msgspec.Struct, frozen=True):
    """The facts about all that is claimed for one node, before there is any CSR."""

    allowed: AllowedNames
    other_nodes: OtherNodes | None
    reserved: ReservedNames

    @property
    def asked(self) -> AskedNames:
        """A kubelet asks for every name and address of its Node's status."""
        return self.allowed.asked


class NodeSeen(msgspec.Struct, frozen=True):
    """The Node of a CSR's requestor as the API server has it now, and as it was when the CSR was first seen."""

    first_uid: str
    """The UID that the Node had then."""

    uid: str
    """The UID that it has now; "" if it is gone."""

    created: datetime | None = None


class CsrFacts(msgspec.Struct, frozen=True):
    """All facts for the rules."""

    csr: Csr
    at: datetime
    node_exists: bool | None
    """A Node of the requestor's name is there; None where that is not known."""

    allowed: AllowedNames | None
    """None: no source knows this node."""

    other_nodes: OtherNodes | None = OtherNodes()
    """None: the nodes of the cluster could not be read."""

    reserved: ReservedNames = ReservedNames()
    newest: str | None = None
    """Name of the newest serving CSR that the same credential of the requestor made; None where that is not known."""

    kubelet_started: datetime | None = None
    client_certificates: frozenset[str] | None = None
    """Lower-hex SHA-256 of each client certificate read on the node's own disk. None: no survey was made."""

    without_credential_id: bool = False
    """The operator accepts that this API server does not tell which credential made a CSR."""

    credentials_told: bool = False
    """Whether another CSR says which client certificate made it: then it is not the API server that does not tell."""

    node_seen: NodeSeen | None = None
    """The requestor's Node, read live right before the decision; None: it was not."""

    key_shown_by: frozenset[str] | None = None
    """The nodes that have asked for a certificate for this public key; None: nobody kept count."""

    approvals_left: int | None = None
    """How many CSRs of this node may be approved now; None: nobody keeps count."""

    standing: CredentialAnswer | None = None
    """Whether the client certificate that made the CSR is the node's own; None: nobody watches client certificates."""

    pins_are_read: bool = True
    """Whether an approver is there, which goes by pins."""

    max_lifetime: timedelta = MAX_LIFETIME

    @property
    def asked(self) -> AskedNames | None:
        """The names and addresses in the CSR."""
        return asked_of(self.csr)


NameFacts = CsrFacts | EntitlementFacts
"""The facts for rules about names and addresses, of a CSR or of what a node would request."""


def csr_facts(
    csr: Csr,
    evidence: IndexedEvidence,
    *,
    at: datetime,
    allowed: AllowedNames | None,
    pinned: Iterable[tuple[str, Claim]] = (),
) -> CsrFacts:
    """The facts about one CSR, as far as the evidence tells them. See CsrFacts for each."""
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
    """One rule's answer: what it saw, and what it would allow."""

    rule: str
    outcome: Outcome
    reason: HoldReason
    message: str
    seen: str = ""
    allowed: str = ""
    operator_may_allow: tuple[str, ...] = ()
    """Values that the operator can give to this node, so that the rule passes. Empty: nothing overrides it."""

    def __str__(self) -> str:
        return f"{self.seen}: {self.message}" if self.seen else self.message


Rule = Callable[[CsrFacts], RuleResult]
NameRule = Callable[[NameFacts], RuleResult]


def passes(rule: str, seen: str, allowed: str = "") -> RuleResult:
    """The rule passes."""
    return RuleResult(rule, Outcome.PASS, HoldReason.PASSES, "", seen, allowed)


def not_asked(rule: str, why: str) -> RuleResult:
    """The rule lets it pass without having looked: nobody gave it what it needs. Shown wherever a decision is."""
    return RuleResult(rule, Outcome.PASS, HoldReason.NOT_ASKED, why, f"not asked: {why}")


def refuses(
    rule: str,
    reason: HoldReason,
    message: str,
    *,
    seen: str,
    allowed: str,
    operator_may_allow: tuple[str, ...] = (),
) -> RuleResult:
    """The rule holds the CSR."""
    return RuleResult(rule, Outcome.REFUSE, reason, message, seen, allowed, operator_may_allow)


def cannot_tell(
    rule: str,
    message: str,
    reason: HoldReason = HoldReason.NOT_IN_EVIDENCE,
    *,
    seen: str = "",
    allowed: str = "",
    operator_may_allow: tuple[str, ...] = (),
) -> RuleResult:
    """The rule lacks evidence. The CSR is held, though nothing is wrong with it."""
    return RuleResult(rule, Outcome.CANNOT_TELL, reason, message, seen, allowed, operator_may_allow)


def unreadable(rule: str) -> RuleResult:
    """The result of a rule about the contents of a CSR that cannot be parsed."""
    return cannot_tell(rule, "the CSR cannot be read", HoldReason.UNREADABLE)


MOST_LISTED = 24
"""More than any kubelet asks for: a CSR with thousands of names must not fill a screen."""


def listed(values: Sequence[object]) -> str:
    """Values for a person: comma-separated, or the word none; of a flood the first, and how many more."""
    shown = ", ".join(str(value) for value in values[:MOST_LISTED]) or "none"
    more = len(values) - MOST_LISTED
    return f"{shown} and {more} more" if more > 0 else shown
