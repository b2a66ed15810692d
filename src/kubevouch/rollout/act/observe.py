"""Observes a node from outside while it changes, and approves its CSR if the policy passes it."""

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from msgspec.structs import replace

from kubevouch.errors import KubevouchError
from kubevouch.evidence.approvers import APPROVER_SAYS, BY_US
from kubevouch.evidence.measured import Measured, Vantage
from kubevouch.evidence.snapshot import PolicyEvidence, Served
from kubevouch.kube.errors import Conflict, Forbidden, KubeError, NotFound
from kubevouch.kube.resources import (
    CSRS,
    NODE_METRICS,
    NODES,
    CertificateSigningRequest,
    CsrCondition,
    Node,
)
from kubevouch.policy.claims import AskedNames
from kubevouch.policy.credentials import CredentialAnswer, live_node
from kubevouch.policy.csr import KUBELET_CLIENT, Csr, asked_of, csr_of
from kubevouch.policy.decide import EVEN_IF_DECIDED, RULES, approval, decide
from kubevouch.policy.facts import csr_facts
from kubevouch.policy.listed_credentials import KnownOfNode, ListedCredentials
from kubevouch.policy.node_index import IndexedEvidence
from kubevouch.rollout.act.check import CheckedPlan
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.live_cluster import LiveCluster
from kubevouch.rollout.act.look import survey_planned
from kubevouch.rollout.act.node_facts import (
    approved_by_run,
    asked_for_again_by_pod,
    client_certificates_of,
    lease_time,
    served_by,
    serves_well,
)
from kubevouch.rollout.decide.gates import GateEvidence, issued_certificate, refused_by
from kubevouch.rollout.decide.own_csrs import (
    Csrs,
    csrs_by_node,
    made_with,
    not_asked_yet,
    own_csrs,
)
from kubevouch.rollout.decide.plan import NodePlan
from kubevouch.rollout.decide.recheck import not_the_node

_REREAD = 10.0
_MOST_JUDGED = 8
"""The maximum number of CSRs without a credential ID to check in one observation, even in a flood."""
_MOST_APPROVALS = 3
"""A run approves at most this many CSRs of a node. A kubelet makes one CSR, and another if its
addresses change. An approval cannot be taken back."""


@dataclass
class NodeObserver:
    """Observes one node during its change. Keeps the node's former state, and what it has seen since."""

    context: RolloutContext
    live: LiveCluster
    checked: CheckedPlan
    node: NodePlan
    known: frozenset[str]
    """The names of the node's CSRs from before the change, which are ignored."""

    lease_before: datetime | None
    kubelet_started: datetime | None
    client_certificates: frozenset[str]
    """The SHA-256 of the kubelet's client certificates, read on the node. The kubelet
    authenticates with one of these when it creates a CSR."""

    approvers_turn: float = 0.0
    """Seconds for which a passing CSR is left to the approver. The run and the approver each patch
    only the version that they checked, so the later patch fails."""

    reread: float | None = None
    """When the kubelet's client certificate was last read again, by the monotonic clock."""

    judged: Counter[str] = field(default_factory=Counter)
    """How often each CSR without a credential ID was checked."""

    new_process: bool | None = None
    approved: set[str] = field(default_factory=set)
    passed_since: dict[str, float] = field(default_factory=dict)
    """When each CSR first passed and was left to the approver: monotonic times by name."""

    served_since: datetime | None = None
    metrics_before: datetime | None = None

    async def observe(self) -> GateEvidence:
        """Observes the node once. Approves the kubelet's CSR if the policy passes it.

        Raises:
            NotTheHolder: this run has lost the Lease.
            KubeError: the API server does not answer. The next observation may succeed.
        """
        found = await self._own_csrs()
        csr, held = found[-1]
        served: tuple[Served, ...] = ()
        api_path: str | None = "not asked yet"
        ready: str | None = "not checked yet"
        metrics_now = None
        if any(issued_certificate(each) for each, _ in found):
            served = await served_by(self.context, self.node, self.checked.trust)
            leaves = [each.dialled.leaf for each in served if each.dialled.leaf]
            serves = [each for each in found if issued_certificate(each[0]) in leaves]
            csr, held = (serves or found)[-1]
        certificate = issued_certificate(csr)
        if served and all(each.dialled.leaf == certificate for each in served):
            api_path = await self._api_path()
            ready = await self._ready()
            metrics_now = await self._metrics()
            if self.served_since is None:
                self.served_since, self.metrics_before = self.context.clock.now(), metrics_now
        return GateEvidence(
            plan=self.node,
            new_process=self.new_process,
            csr=csr,
            held=held,
            approved_here=frozenset(self.approved),
            served=served,
            api_path=api_path,
            ready=ready,
            metrics_not_asked=self.checked.metrics.why_not(self.node.node),
            metrics_before=self.metrics_before,
            metrics_now=metrics_now,
        )

    async def _own_csrs(self) -> list[tuple[CertificateSigningRequest | None, str]]:
        """Checks the kubelet's CSRs since the change (`_to_judge`), and may approve them.

        Returns those that pass the policy, each with an empty reason. If none passes, returns one
        CSR and why it is held. Without a CSR, returns None and why.
        """
        csrs = await self.live.csrs()
        of_node = csrs_by_node(csrs).get(self.node.node, ())
        new = [csr for csr in of_node if csr.name not in self.known]
        await self._read_again_after_a_rotation(new)
        run = self.checked.plan.run
        # Also CSRs that this run approved before the kubelet's client certificate rotated.
        own = own_csrs(new, self.client_certificates) or [c for c in new if approved_by_run(c, run)]
        if not own:
            return [(None, not_asked_yet(new))]
        judged: list[tuple[CertificateSigningRequest | None, str]] = [
            (csr, await self._why_held(csr, csrs)) for csr in self._to_judge(own)
        ]
        return [each for each in judged if not each[1]] or judged[-1:]

    def _to_judge(self, own: Csrs) -> Csrs:
        """The CSRs to check: the newest if it has a credential ID, else a few at each observation.

        Without credential IDs, anybody with a client certificate for the node may have made a CSR,
        so all are checked in turn.
        """
        if made_with(own[-1]):
            return own[-1:]
        approved = [csr for csr in own if csr.name in self.approved]
        others = [csr for csr in own if csr.name not in self.approved and not refused_by(csr)]
        turn = sorted(others, key=lambda csr: self.judged[csr.name])[:_MOST_JUDGED]
        self.judged.update(csr.name for csr in turn)
        return [*approved, *turn] or own[-1:]

    async def _why_held(self, csr: CertificateSigningRequest, csrs: Csrs) -> str:
        if approved_by_run(csr, self.checked.plan.run):
            self.approved.add(csr.name)
            return ""
        return refused_by(csr) or await self._decide(csr.name, csrs)

    async def _decide(self, name: str, csrs: Csrs) -> str:
        """Reads the CSR again, and approves exactly that version if the policy passes it. Returns why the CSR is held."""
        api = self.context.api
        try:
            found = await api.get(CSRS, name)
        except NotFound:
            return "it was deleted"
        decided = found.condition("Approved")
        why, not_asked = await self._held(found, csrs)
        if why:
            return (
                f"approved {_by_whom(decided)}, but our policy rejects it: {why}"
                if decided
                else why
            )
        if decided:  # an approver was first, and every rule passes
            self._approved(name, f"approved {_by_whom(decided)}; every rule passes")
        elif self._is_the_approvers_turn(name):
            return ""
        elif len(self.approved) >= _MOST_APPROVALS:
            return f"this run has already approved {len(self.approved)} CSRs of this node"
        else:
            await self.context.confirm_holder()
            try:
                who = f"run {self.checked.plan.run}"
                await api.patch_approval(found, approval(who, not_asked=not_asked))
            except Conflict:
                return "the CSR changed during the decision"
            self._approved(name, self._how())
        return ""

    def _is_the_approvers_turn(self, name: str) -> bool:
        now = self.context.clock.monotonic()
        return now - self.passed_since.setdefault(name, now) < self.approvers_turn

    def _how(self) -> str:
        if not self.approvers_turn:
            return "approved"
        waited = f"the approver did not approve the CSR within {self.approvers_turn:.0f} s"
        return f"approved by this run: {waited} (see its log)"

    async def _held(
        self, found: CertificateSigningRequest, csrs: Csrs
    ) -> tuple[str, tuple[str, ...]]:
        """Why the policy holds the CSR ("" if it passes), and the rules that were not checked.

        Raises KubeError.
        """
        clock = self.context.clock
        # Raises if the Nodes cannot be read, so that none counts as deleted.
        nodes = await self.live.nodes()
        read = PolicyEvidence(
            nodes=Measured(Vantage.API_SERVER, clock.now(), nodes),
            csrs=Measured(Vantage.API_SERVER, clock.now(), tuple(csrs)),
            names=self.checked.names,
        )
        evidence = IndexedEvidence(read)
        node = evidence.node(self.node.node)
        if why := not_the_node(self.node, node):
            return f"live-node: {why}", ()
        by_pod = await asked_for_again_by_pod(self.context, [node] if node else [])
        if why := by_pod.get(self.node.node, ""):
            return why, ()
        csr = csr_of(found)
        # The API server's clock dates CSRs; the kubelet's start is by ours.
        server, started = self.context.api.server_clock, self.kubelet_started
        facts = csr_facts(
            csr,
            evidence,
            at=server.now(),
            allowed=self.node.allowed,
            pinned=self.checked.pins.among(asked_of(csr) or AskedNames()),
        )
        facts = replace(
            facts,
            kubelet_started=started and started - server.own_is_ahead,
            client_certificates=self.client_certificates,
            without_credential_id=self.checked.word.without_credential_id,
            standing=await self._standing(csr, node),
            pins_are_read=self.checked.approver_decides,
        )
        if not csr.credential_ids:  # the node's newest CSR may be another machine's
            facts = replace(facts, newest=csr.name)
        decided = found.condition("Approved") is not None
        decision = decide(facts, EVEN_IF_DECIDED if decided else RULES)
        why = "; ".join(f"{r.rule} ({r.reason}): {r.message}" for r in decision.held_by[:3])
        return why, decision.not_asked

    async def _standing(self, csr: Csr, node: Node | None) -> CredentialAnswer | None:
        """Judges a CSR without a credential ID by the listed client CSRs for the node's name.

        Returns None if the CSR has a credential ID, the operator does not accept CSRs without one,
        or the Node no longer exists.
        """
        if csr.credential_ids or not self.checked.word.without_credential_id or node is None:
            return None
        found = await self.context.api.list_all(
            CSRS, field_selector=f"spec.signerName={KUBELET_CLIENT}"
        )
        return ListedCredentials(found, told=False).answer(csr, KnownOfNode(live_node(node)))[0]

    async def _read_again_after_a_rotation(self, csrs: Csrs) -> None:
        """Reads the kubelet's client certificate again if the newest CSR was created with another.

        The kubelet may have rotated its certificate since the survey. Reads at most every 10 s.
        """
        clock = self.context.clock
        known = not csrs or made_with(csrs[-1]) in {"", *self.client_certificates}
        lately = self.reread is not None and clock.monotonic() - self.reread < _REREAD
        if known or lately:
            return
        self.reread = clock.monotonic()
        with contextlib.suppress(
            KubevouchError
        ):  # then the earlier certificates stay, and the rule holds the CSR
            survey = (await survey_planned(self.node, self.context)).answer
            self.client_certificates |= client_certificates_of(survey)

    def _approved(self, name: str, how: str) -> None:
        if name not in self.approved:  # each observation checks the CSR again
            self.approved.add(name)
            self.context.progress.step(self.node.node, f"{name} {how}")

    async def serves_well(self) -> bool:
        """Whether every address serves a trusted certificate of this node."""
        return await serves_well(self.context, self.node, self.checked.trust)

    async def _api_path(self) -> str | None:
        path = f"/api/v1/nodes/{quote(self.node.node, safe='')}/proxy/healthz"
        try:
            answer = await self.context.api.text(path)
        except Forbidden:
            return None  # no right to read this; the handshake and the metrics are proof enough
        except KubeError as error:
            return str(error)
        return None if answer.strip() == "ok" else f"/healthz returned {answer[:80]!r}"

    async def _ready(self) -> str | None:
        node = await self.context.api.get(NODES, self.node.node)
        if not node.ready:
            return "the Node is not Ready"
        renewed = await lease_time(self.context, self.node.node)
        if self.new_process and renewed is not None and renewed == self.lease_before:
            return "the kubelet has not renewed its lease since the restart"
        return None

    async def _metrics(self) -> datetime | None:
        try:
            return (await self.context.api.get(NODE_METRICS, self.node.node)).timestamp
        except KubeError:
            return None  # not there yet, or no metrics-server is ready yet: the gate waits


def _by_whom(decided: CsrCondition) -> str:
    by_our_approver = decided.reason == BY_US and decided.message.startswith(APPROVER_SAYS)
    return "by the approver" if by_our_approver else f"with reason {decided.reason!r}"
