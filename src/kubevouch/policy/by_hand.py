"""Applies the policy to a CSR for an operator who approves CSRs by hand.

As in the approver, a node's names and addresses come from the first source that lists the node: the
inventory, then a pin, then the approver's own record. The operator can add more with --allow. The
CSRs in the cluster show which client certificates belong to a node.
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

LEFT_TO_THE_APPROVER = "the approver is installed and has not approved the CSR"


@dataclass(frozen=True)
class OperatorFlags:
    """The values of the flags --allow and --credential."""

    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The names and addresses from --allow, by node."""

    credential: str = ""
    """The value of --credential, which is for one CSR: the SHA-256 of its kubelet's own client
    certificate. "" if not given."""

    @cached_property
    def claims(self) -> WrittenClaims:
        """The values of --allow as claims of their nodes, indexed by name or address."""
        found = WrittenClaims()
        for node, values in self.allowed.items():
            found.put(node, tuple(Claim(each, NameSource.OPERATOR) for each in values))
        return found


@dataclass(frozen=True)
class CsrEvidence:
    """The state of the cluster, and the approver's ConfigMaps.

    at: when the state was read, by the API server's clock. approver: whether our approver is
    installed; if unknown, True unless it has no stored data. approver_doubt: why unknown, or "".
    """

    cluster: PolicyEvidence
    client_csrs: Measured[tuple[CertificateSigningRequest, ...]]
    """CSRs for kubelets' client certificates, read after the serving CSRs so that no certificate issued
    in between is missed. Old CSRs may have been deleted."""

    written: Measured[WatchedSources]
    at: datetime
    approver: bool = False
    approver_doubt: str = ""

    @cached_property
    def indexed(self) -> IndexedEvidence:
        """The state of the cluster, with indexes for checking many CSRs."""
        return IndexedEvidence(self.cluster)

    @property
    def configuration(self) -> ApproverConfiguration:
        """The approver's configuration, or the defaults if it is missing or unreadable."""
        written = self.written.value
        return written.configuration_or_default if written else ApproverConfiguration()

    @cached_property
    def credentials_told(self) -> bool:
        """Whether a CSR in the cluster, or one that the approver recorded, has a credential ID."""
        records = self.written.value.records() if self.written.value else ()
        told = any(each.parent for _, record in records for each in record.credentials.allowed)
        issued = self.client_csrs.or_else(())
        return told or self.indexed.tells_credentials or tell_credentials(issued)

    @cached_property
    def credentials(self) -> ListedCredentials:
        """The client certificates of all nodes, according to the CSRs in the cluster."""
        serving = self.cluster.csrs.or_else(())
        return ListedCredentials(self.client_csrs.or_else(()), serving, told=self.credentials_told)


@dataclass(frozen=True)
class CsrJudgement:
    """The policy's decision about a CSR, and the source of the node's names and addresses.

    held: why the CSR is left to the installed approver although every rule passes; otherwise "".
    """

    decision: Decision
    names: SourceAnswer
    held: str = ""

    @property
    def outcome(self) -> Outcome:
        """The outcome of the rules; CANNOT_TELL if the CSR is left to the approver."""
        return Outcome.CANNOT_TELL if self.held else self.decision.outcome


def judged_by_hand(csr: Csr, evidence: CsrEvidence, word: OperatorFlags) -> CsrJudgement:
    """Applies the policy to a CSR, or only the rules about its contents if it has a condition."""
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
    node: str | None, evidence: CsrEvidence, asked: AskedNames, word: OperatorFlags
) -> SourceAnswer:
    """Names and addresses from the first source that knows the node, and those from --allow."""
    found = evidence.indexed.node(node) if node else None
    if found is None:
        why = "the CSR's node is unknown"
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
        why = f"by --allow (otherwise {unknown.why})"
        return SourceAnswer(IdentitySource.ALLOW, allowed, why)
    return msgspec.structs.replace(answer, allowed=allowed, why=f"{answer.why}; and by --allow")


def _unknown(node: Node, written: Measured[WatchedSources], asked: AskedNames) -> SourceAnswer:
    """The answer if no source knows the node: the claims in its status, which prove nothing."""
    allowed, why = allowed_names_of(node), "claimed only by the Node's own status"
    if written.doubt is not None:
        why += f", and the approver's pins could not be read: {written.doubt.text}"
        reason = HoldReason.NOT_IN_EVIDENCE
        allowed = msgspec.structs.replace(allowed, outdated=why, not_valid=reason)
    elif written.value is not None:
        unknown, reason = (
            "no pin, inventory or approver record lists the node",
            HoldReason.NODE_UNKNOWN,
        )
        why += f"; {unknown}"
        # The approver's log gives the same reason.
        outdated = f"{unknown}. {pin_that_helps(node, asked.values)}"
        allowed = msgspec.structs.replace(allowed, outdated=outdated, not_valid=reason)
    return SourceAnswer(IdentitySource.NONE, allowed, why)


def _others(
    asked: AskedNames, evidence: CsrEvidence, word: OperatorFlags
) -> list[tuple[str, Claim]]:
    written = evidence.written.value
    owned = written.written.among(asked) if written else ()
    return [*owned, *word.claims.among(asked)]


def _credential(
    csr: Csr, evidence: CsrEvidence, names: SourceAnswer, word: OperatorFlags
) -> tuple[CredentialAnswer | None, str | None]:
    """Judges the requestor's client certificate, as `ListedCredentials.answer` does.

    Returns (None, None) if the CSR's Node is unknown.
    """
    node = evidence.indexed.node(requestor_node(csr) or "")
    if node is None:
        return None, None
    if (doubt := evidence.client_csrs.doubt) and not word.credential:
        why = f"CSRs for client certificates could not be read: {doubt.text}"
        return CredentialAnswer(Outcome.CANNOT_TELL, HoldReason.NOT_IN_EVIDENCE, why), None
    known = _known_of(node, evidence.written.value, names.source)
    if word.credential:
        known = msgspec.structs.replace(known, pinned=(word.credential,))
    return evidence.credentials.answer(csr, known)


def _known_of(node: Node, written: WatchedSources | None, source: str) -> KnownOfNode:
    """The known client certificates of a node: the approver's record and the pin. source: where its names are from."""
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
