"""What the policy says of a CSR to somebody who approves by hand: by his word of today, what is written down, and one list of CSRs.

The sources are no fall-through: the first that knows a node decides for it, and what --allow says of it comes besides.
They are what the approver would go by: the inventory, pins, and its own record.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import msgspec

from kubevouch.evidence.measured import Measured
from kubevouch.evidence.snapshot import PolicyEvidence
from kubevouch.kube.resources import CertificateSigningRequest, Node
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import (
    AllowedNames,
    AskedNames,
    Claim,
    NameSource,
    allowed_names_of,
    confirmed,
    with_said,
)
from kubevouch.policy.credentials import CredentialAnswer, live_node
from kubevouch.policy.csr import Csr, asked_of, requestor_node
from kubevouch.policy.decide import RULES, WHAT_IT_ASKS_FOR, Decision, decide
from kubevouch.policy.facts import csr_facts
from kubevouch.policy.listed_credentials import KnownOfNode, ListedCredentials
from kubevouch.policy.node_index import IndexedEvidence, WrittenClaims, tell_credentials
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.sources.allowing import pin_that_helps
from kubevouch.policy.sources.choice import SourceAnswer, written_answer
from kubevouch.policy.sources.configuration import ApproverConfiguration, IdentitySource
from kubevouch.policy.sources.nodes import credentials_in
from kubevouch.policy.sources.watched import WatchedSources

LEFT_TO_THE_APPROVER = "the approver is installed, and has not approved it"


@dataclass(frozen=True)
class OperatorsWord:
    """What the operator says today."""

    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By node, the values of --allow."""

    credential: str = ""
    """SHA-256 of the client certificate that he calls the kubelet's own, of the one CSR that is judged."""

    @cached_property
    def claims(self) -> WrittenClaims:
        """What --allow gives to nodes, to be looked up for one CSR after the other."""
        found = WrittenClaims()
        for node, values in self.allowed.items():
            found.put(node, tuple(Claim(each, NameSource.OPERATOR) for each in values))
        return found


@dataclass(frozen=True)
class CsrEvidence:
    """What the cluster tells, and what is written down in it; None: there is no approver there.

    at: when that was read, by the API server's clock, by which CSRs are dated.
    approver: whether ours is installed, also where that cannot be told; approver_doubt is the reason why it cannot.
    """

    cluster: PolicyEvidence
    client_csrs: Measured[tuple[CertificateSigningRequest, ...]]
    """For client certificates of kubelets. Read after the serving CSRs: whatever made one of these has been issued by then."""

    written: Measured[WatchedSources]
    at: datetime
    approver: bool = False
    approver_doubt: str = ""

    @cached_property
    def indexed(self) -> IndexedEvidence:
        """The same, to be looked up for one CSR after the other."""
        return IndexedEvidence(self.cluster)

    @property
    def configuration(self) -> ApproverConfiguration:
        """The approver's configuration; the defaults where it is missing or cannot be read."""
        written = self.written.value
        return written.configuration_or_default if written else ApproverConfiguration()

    @cached_property
    def credentials_told(self) -> bool:
        """Whether a CSR says which client certificate made it, or one has said so to the approver."""
        records = self.written.value.records() if self.written.value else ()
        told = any(each.parent for _, record in records for each in record.credentials.allowed)
        issued = self.client_csrs.or_else(())
        return told or self.indexed.tells_credentials or tell_credentials(issued)

    @cached_property
    def credentials(self) -> ListedCredentials:
        """Whose client certificates they are, by all CSRs that were read."""
        serving = self.cluster.csrs.or_else(())
        return ListedCredentials(self.client_csrs.or_else(()), serving, told=self.credentials_told)


@dataclass(frozen=True)
class CsrJudgement:
    """What the policy says of a CSR, and by which source of names and addresses.

    held: why one is left to the installed approver although every rule passes that could be asked here; else "".
    """

    decision: Decision
    names: SourceAnswer
    held: str = ""

    @property
    def outcome(self) -> Outcome:
        """That of the rules; what only the approver knows may hold a CSR as well."""
        return Outcome.CANNOT_TELL if self.held else self.decision.outcome


def judged_by_hand(csr: Csr, evidence: CsrEvidence, word: OperatorsWord) -> CsrJudgement:
    """What the policy says; of a CSR that somebody has decided about, of what it asks for."""
    asked = asked_of(csr) or AskedNames()
    names = _names_of(requestor_node(csr), evidence, asked, word)
    standing, newest = _credential(csr, evidence, names, word)
    facts = csr_facts(
        csr,
        evidence.indexed,
        at=evidence.at,
        allowed=names.allowed,
        pinned=_others(asked, evidence, word),
    )
    facts = msgspec.structs.replace(
        facts,
        standing=standing,
        pins_are_read=evidence.approver,
        max_lifetime=evidence.configuration.max_lifetime,
        newest=newest or facts.newest,
        credentials_told=evidence.credentials_told,
    )
    decision = decide(facts, WHAT_IT_ASKS_FOR if csr.conditions else RULES)
    waits = decision.outcome is Outcome.PASS and not csr.conditions
    return CsrJudgement(
        decision, names, LEFT_TO_THE_APPROVER if waits and evidence.approver else ""
    )


def _names_of(
    node: str | None, evidence: CsrEvidence, asked: AskedNames, word: OperatorsWord
) -> SourceAnswer:
    """What the node may have: by the first source that knows it, and by --allow."""
    found = evidence.indexed.node(node) if node else None
    if found is None:
        why = "it is not known whose CSR this is"
        nothing = AllowedNames("", outdated=why, not_valid=HoldReason.NODE_UNKNOWN)
        return SourceAnswer(IdentitySource.NONE, nothing, why)
    written, said = evidence.written.value, word.allowed.get(found.name, ())
    answer = written_answer(found, written.current) if written else None
    unknown = _unknown(found, evidence.written, asked)
    if not said:
        return answer or unknown
    known = answer.allowed if answer else allowed_names_of(found)
    allowed = with_said(confirmed(known, said), said)
    if answer is None:
        why = f"by --allow; without it {unknown.why}"
        return SourceAnswer(IdentitySource.ALLOW, allowed, why)
    return msgspec.structs.replace(answer, allowed=allowed, why=f"{answer.why}; and by --allow")


def _unknown(node: Node, written: Measured[WatchedSources], asked: AskedNames) -> SourceAnswer:
    """No source knows the node: what it says of itself is no permission."""
    allowed, why = allowed_names_of(node), "only the node itself says so"
    if written.doubt is not None:
        why += f", and what is pinned for the approver is not known: {written.doubt.text}"
        reason = HoldReason.NOT_IN_EVIDENCE
        allowed = msgspec.structs.replace(allowed, outdated=why, not_valid=reason)
    elif written.value is not None:
        unknown, reason = (
            "no pin, inventory or record of the approver knows it",
            HoldReason.NODE_UNKNOWN,
        )
        why += f"; {unknown}"
        # As the approver says in its log: for one CSR there is one reason.
        outdated = f"{unknown}. {pin_that_helps(node, asked.values)}"
        allowed = msgspec.structs.replace(allowed, outdated=outdated, not_valid=reason)
    return SourceAnswer(IdentitySource.NONE, allowed, why)


def _others(
    asked: AskedNames, evidence: CsrEvidence, word: OperatorsWord
) -> list[tuple[str, Claim]]:
    """Who has what is asked for, by what is written down and said."""
    written = evidence.written.value
    owned = written.written.among(asked) if written else ()
    return [*owned, *word.claims.among(asked)]


def _credential(
    csr: Csr, evidence: CsrEvidence, names: SourceAnswer, word: OperatorsWord
) -> tuple[CredentialAnswer | None, str | None]:
    """What is said of the client certificate that made it, and the newest CSR of the node's own. None: no Node is known to have made it."""
    node = evidence.indexed.node(requestor_node(csr) or "")
    if node is None:
        return None, None
    if (doubt := evidence.client_csrs.doubt) and not word.credential:
        why = f"who got client certificates could not be read: {doubt.text}"
        return CredentialAnswer(Outcome.CANNOT_TELL, HoldReason.NOT_IN_EVIDENCE, why), None
    known = _known_of(node, evidence.written.value, names.source)
    if word.credential:
        known = msgspec.structs.replace(known, pinned=(word.credential,))
    return evidence.credentials.answer(csr, known)


def _known_of(node: Node, written: WatchedSources | None, source: str) -> KnownOfNode:
    """What the approver's record and the pin say of a Node's client certificates. source: of its names."""
    live = live_node(node)
    if written is None:
        return KnownOfNode(live)
    record, pin = written.record(node.name), written.pin_of(node.name, node.uid)
    return KnownOfNode(
        live,
        credentials_in(record),
        pin.client_certificates if pin else (),
        pin.pinned_at if pin else None,
        admitted=source == IdentitySource.RECORDED,
    )
