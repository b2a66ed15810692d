"""What `csr` judges by: what the command line gives, and what the cluster tells."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from kubevouch.approve.decide.sources import WatchedSources
from kubevouch.cli.common.allow import check_nodes, network_of, node_values
from kubevouch.cli.common.plan_file import read_plan
from kubevouch.cli.common.written import gather_written
from kubevouch.cli.csr.approver_hold import (
    approver_hold,
    as_the_approver_says,
    held_besides,
    would_have_held,
)
from kubevouch.cli.csr.judgement import CsrEvidence, CsrJudgement, NamesAnswer
from kubevouch.cli.csr.names import GivenNames
from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError, UsageError
from kubevouch.evidence.gather.approver_holds import (
    gather_approved_by_others,
    gather_approver_holds,
)
from kubevouch.evidence.gather.at_once import together
from kubevouch.evidence.gather.csrs import CLIENT_SIGNER
from kubevouch.evidence.gather.identity import gather_identity, gather_trust
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.gather.names import gather_policy_evidence
from kubevouch.evidence.gather.our_approver import gather_our_approver
from kubevouch.evidence.measured import Measured
from kubevouch.evidence.names import Network, with_more
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CSRS, Node
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import AskedNames, as_address, claims_value
from kubevouch.policy.credentials import CredentialAnswer
from kubevouch.policy.csr import Csr, asked_of, csr_of, presumed_node, requestor_node
from kubevouch.policy.decide import RULES, WHAT_IT_ASKS_FOR, decide
from kubevouch.policy.facts import csr_facts
from kubevouch.policy.listed_credentials import KnownOfNode, live_node
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.sources.choice import IdentitySource
from kubevouch.policy.sources.configuration import ApproverConfiguration, with_configured
from kubevouch.policy.sources.recorded import credentials_in
from kubevouch.policy.sources.stored import Unreadable
from kubevouch.rollout.decide.binding import not_the_cluster
from kubevouch.rollout.decide.plan import Plan

_BY_NAMES = {"allowed-names", "allowed-addresses"}
_BY_TIME = {"newest", "fresh"}
"""What holds a CSR and not the next one of its node."""


class PlanNotBound(KubevouchError):
    """It is not known whether this is the cluster of the plan."""


@dataclass(frozen=True)
class Sources:
    """The sources given on the command line."""

    given: GivenNames
    domains: tuple[str, ...] = ()
    service_networks: tuple[Network, ...] = ()
    credential: str = ""
    """SHA-256 of the client certificate that the operator calls the kubelet's own, of the one CSR that is judged."""

    @staticmethod
    def of(
        allow: tuple[str, ...],
        plan_file: Path | None,
        *,
        trust_node_status: bool,
        cluster_domain: str = "",
        service_cidr: tuple[str, ...] = (),
    ) -> "Sources":
        """Raises UsageError for what is not a plan, not NODE=VALUE or not a network."""
        return Sources(
            GivenNames(
                read_plan(plan_file) if plan_file else None, node_values(allow), trust_node_status
            ),
            domains=(cluster_domain,) if cluster_domain else (),
            service_networks=tuple(map(network_of, service_cidr)),
        )

    async def gather(self, api: ApiClient, clock: Clock) -> CsrEvidence:
        """What the cluster tells, and what the operator tells besides.

        Raises:
            UsageError: the plan is for another cluster, or --allow names no Node of this one.
            PlanNotBound: which cluster this is cannot be told.
        """
        inquiry = Inquiry(clock)
        if self.given.plan is not None:
            await _check_cluster(self.given.plan, api, inquiry)
        evidence, written, ours = await together(
            gather_policy_evidence(api, inquiry),
            gather_written(api, inquiry),
            gather_our_approver(api, inquiry),
        )
        # If it cannot be told whether the approver leads, it may. Where nothing of an approver is written down, none is installed.
        nothing_written = written.is_known and written.value is None
        doubt = ours.doubt.text if ours.doubt and not nothing_written else ""
        decides = bool(doubt) or (ours.value is not None and ours.value.decides)
        is_there = decides or ours.value is not None
        if evidence.nodes.is_known:
            check_nodes(self.given.allowed, (node.name for node in evidence.nodes.or_else(())))
        names = with_more(
            with_configured(evidence.names, _configuration(written)),
            domains=self.domains,
            service_networks=self.service_networks,
        )
        client = inquiry.ask(api.list_all(CSRS, field_selector=f"spec.signerName={CLIENT_SIGNER}"))
        return CsrEvidence(
            replace(evidence, names=names),
            await client,
            written,
            at=api.server_clock.now(),
            own_at=clock.now(),
            approver_decides=decides,
            holds=await gather_approver_holds(api, inquiry) if is_there else None,
            approver_doubt=doubt,
        )

    def warnings(self, evidence: CsrEvidence, *more: Csr) -> list[str]:
        """What --allow says in vain, and that it is not known what the approver holds, or whether one decides."""
        found = self.unused(evidence, *more)
        configured = (
            evidence.written.value.current.configuration if evidence.written.value else None
        )
        if isinstance(configured, Unreadable):
            what = "what the approver's configuration says of networks, domain and lifetimes"
            found.append(f"{what} is not known: {configured}")
        if evidence.approver_doubt:
            what = "whether the approver decides is not known, and it is taken for running"
            found.append(f"{what}: {evidence.approver_doubt}")
        if evidence.holds and evidence.holds.doubt:
            what = "what the running approver holds by what only it remembers"
            found.append(f"{what} is not known: {evidence.holds.doubt.text}")
        return found

    def unused(self, evidence: CsrEvidence, *more: Csr) -> list[str]:
        """What --allow says in vain, a line each: its node neither claims the value nor asks for it in any CSR.

        more: CSRs that are judged besides those in the evidence, such as one in a file.
        """
        read = evidence.cluster.csrs
        if not read.is_known or not self.given.allowed:
            return []  # nobody knows what is asked for, or nothing is said
        csrs = [*map(csr_of, read.or_else(())), *more]
        found = []
        for node, values in self.given.allowed.items():
            of_node = evidence.indexed.node(node)
            asked = [each.parsed for each in csrs if requestor_node(each) in (node, None)]
            names = {name for each in asked if each for name in each.dns_names}
            addresses = {address for each in asked if each for address in each.ip_addresses}
            found += [
                f"--allow {node}={value}: {node} neither claims this in its status nor asks for it in a CSR"
                for value in values
                if of_node is not None
                and not claims_value(of_node, value)
                and value not in names
                and as_address(value) not in addresses
            ]
        return found

    def judged(
        self,
        csr: Csr,
        evidence: CsrEvidence,
        *,
        tries_a_word: bool = False,
    ) -> CsrJudgement:
        """What the policy says with these sources; of a CSR that somebody has decided about, of what it asks for.

        tries_a_word: whether it is found out which word of the operator would help, where the CSR is held. That asks the
        policy once more, and puts the plan in order once more: it is for where that word is shown.
        """
        names = self.given.names_of(presumed_node(csr), evidence, asked_of(csr) or AskedNames())
        if csr.username is None and names.allowed is not None:
            words = f"if it is {names.allowed.node}'s, as its common name says: {names.why}"
            names = replace(names, why=words)
        standing, newest = self._credential(csr, evidence, names)
        facts = csr_facts(
            csr,
            evidence.indexed,
            at=evidence.at,
            allowed=names.allowed,
            pinned=self.given.pinned(csr, evidence),
            standing=standing,
            pins_are_read=evidence.holds is not None,
        )
        facts = msgspec.structs.replace(
            facts,
            limits=_configuration(evidence.written).limits,
            newest=newest or facts.newest,
            credentials_told=evidence.credentials_told,
        )
        rules = WHAT_IT_ASKS_FOR if csr.conditions else RULES
        judgement = CsrJudgement(decide(facts, rules), names)
        if tries_a_word:
            judgement = replace(judgement, word=self._word_that_helps(csr, evidence, judgement))
        return self._with_the_approvers_view(judgement, csr, evidence)

    def _credential(
        self, csr: Csr, evidence: CsrEvidence, names: NamesAnswer
    ) -> tuple[CredentialAnswer | None, str | None]:
        """What is said of the client certificate that made it, and the newest CSR of the node's own. None: no Node is known to have made it."""
        node = evidence.indexed.node(requestor_node(csr) or "")
        if node is None or csr.credential_ids is None:
            return None, None
        if (doubt := evidence.client_csrs.doubt) and not self.credential:
            why = f"who got client certificates could not be read: {doubt.text}"
            return CredentialAnswer(Outcome.CANNOT_TELL, HoldReason.NOT_IN_EVIDENCE, why), None
        known = _known_of(node, evidence.written.value, names.source)
        if self.credential:
            known = msgspec.structs.replace(known, pinned=(self.credential,))
        return evidence.credentials.answer(csr, known)

    def _word_that_helps(
        self, csr: Csr, evidence: CsrEvidence, judgement: CsrJudgement
    ) -> tuple[str, ...]:
        """What the Node does not claim, and by the operator's word for which the CSR would pass; it is tried out."""
        node, asked = requestor_node(csr), asked_of(csr)
        found = evidence.indexed.node(node) if node else None
        held = {each.rule for each in judgement.decision.held_by}
        if found is None or asked is None or not held or not held <= _BY_NAMES | _BY_TIME:
            return ()
        allowed = judgement.names.allowed
        lacking = [v for v in asked.values if not claims_value(found, v)]
        lacking = [v for v in lacking if not (allowed and allowed.claim(as_address(v) or v))]
        if not lacking:
            return ()
        so_far = self.given.allowed
        said = (*so_far.get(found.name, ()), *asked.values)
        given = replace(self.given, allowed={**so_far, found.name: said})
        saying = replace(self, given=given)
        tried = saying.judged(csr, evidence).decision
        return tuple(lacking) if {r.rule for r in tried.held_by} <= _BY_TIME else ()

    def _with_the_approvers_view(
        self, judgement: CsrJudgement, csr: Csr, evidence: CsrEvidence
    ) -> CsrJudgement:
        """The same, with what Events say that the approver thinks of a CSR of the cluster that waits.

        One that is there and does not lead, as between two of its pods, may have held it by what it remembers.
        """
        if evidence.holds is None or csr.conditions or not csr.uid:
            return judgement
        decision, node = judgement.decision, requestor_node(csr)
        said = self.given.says_of(node)
        notes = evidence.holds.or_else({}).get(csr.uid, ())
        if not evidence.approver_decides:
            held = held_besides(notes, decision.not_asked, leads=False)
            return replace(judgement, held=held)
        if not said:
            decision = as_the_approver_says(decision, notes)
        if decision.outcome is Outcome.PASS:
            read = notes if evidence.holds.is_known else None
            held = approver_hold(read, not_asked=decision.not_asked, said=said)
        else:
            held = held_besides(notes, decision.not_asked)
        return replace(judgement, decision=decision, held=held)


async def with_what_it_would_have_held(
    judgements: Sequence[CsrJudgement], csrs: Sequence[Csr], api: ApiClient, clock: Clock
) -> list[CsrJudgement]:
    """The same; of CSRs that somebody has decided about, with what the approver says in Events of those approvals."""
    if not any(_is_decided(each) for each in csrs):
        return list(judgements)
    told = (await gather_approved_by_others(api, Inquiry(clock))).or_else({})
    return [
        replace(by, held=would_have_held(told.get(csr.uid, ()))) if _is_decided(csr) else by
        for by, csr in zip(judgements, csrs, strict=True)
    ]


def _is_decided(csr: Csr) -> bool:
    """Whether somebody has decided about it, in the cluster."""
    return bool(csr.conditions and csr.uid)


def _configuration(written: Measured[WatchedSources]) -> ApproverConfiguration:
    """The approver's configuration; the defaults where it is missing or cannot be read."""
    return written.value.configuration_or_default if written.value else ApproverConfiguration()


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


async def _check_cluster(plan: Plan, api: ApiClient, inquiry: Inquiry) -> None:
    identity, trust = await together(gather_identity(api, inquiry), gather_trust(api, inquiry))
    if identity.uid.value is None or trust.value is None:
        doubts = [each.doubt.text for each in (identity.uid, trust) if each.doubt]
        raise PlanNotBound("--plan", "; ".join(doubts) or "it cannot be told which cluster this is")
    if why := not_the_cluster(plan.cluster, identity.uid.value, trust.value.sha256):
        raise UsageError("--plan", why, "a plan made for this cluster was expected")
