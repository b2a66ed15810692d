"""What `csr` judges by: what the command line gives, and what the cluster tells."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from kubevouch.cli.common.allow import check_nodes, network_of, node_values
from kubevouch.cli.common.plan_file import read_plan
from kubevouch.cli.common.written import gather_written
from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError, UsageError
from kubevouch.evidence.gather.at_once import together
from kubevouch.evidence.gather.csrs import CLIENT_SIGNER
from kubevouch.evidence.gather.identity import gather_identity, gather_trust
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.gather.our_approver import gather_our_approver
from kubevouch.evidence.gather.policy_evidence import gather_policy_evidence
from kubevouch.evidence.names import Network, with_more
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CSRS
from kubevouch.policy.by_hand import CsrEvidence, OperatorsWord
from kubevouch.policy.pins import Pins
from kubevouch.policy.sources.configuration import ApproverConfiguration, with_configured
from kubevouch.policy.sources.stored import Unreadable
from kubevouch.rollout.decide.binding import not_the_cluster
from kubevouch.rollout.decide.plan import Plan


class PlanNotBound(KubevouchError):
    """It is not known whether this is the cluster of the plan."""


@dataclass(frozen=True)
class Sources:
    """The sources given on the command line."""

    word: OperatorsWord = field(default_factory=OperatorsWord)
    plan: Plan | None = None
    domains: tuple[str, ...] = ()
    service_networks: tuple[Network, ...] = ()

    @staticmethod
    def of(
        allow: tuple[str, ...],
        plan_file: Path | None,
        *,
        cluster_domain: str = "",
        service_cidr: tuple[str, ...] = (),
    ) -> "Sources":
        """Raises UsageError for what is not a plan, not NODE=VALUE or not a network."""
        plan = read_plan(plan_file) if plan_file else None
        return Sources(
            OperatorsWord(pins_of(plan) if plan else {}, node_values(allow)),
            plan,
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
        if self.plan is not None:
            await _check_cluster(self.plan, api, inquiry)
        evidence, written, ours = await together(
            gather_policy_evidence(api, inquiry),
            gather_written(api, inquiry),
            gather_our_approver(api, inquiry),
        )
        # If it cannot be told whether the approver is there, it may be. Where nothing of an approver is written down, it is not.
        nothing_written = written.is_known and written.value is None
        doubt = ours.doubt.text if ours.doubt and not nothing_written else ""
        if evidence.nodes.is_known:
            check_nodes(self.word.allowed, (node.name for node in evidence.nodes.or_else(())))
        configuration = (
            written.value.configuration_or_default if written.value else ApproverConfiguration()
        )
        names = with_more(
            with_configured(evidence.names, configuration),
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
            approver=bool(doubt) or ours.value is not None,
            approver_doubt=doubt,
        )


def warnings(evidence: CsrEvidence) -> list[str]:
    """What is not known of the approver."""
    found = []
    written = evidence.written.value
    configured = written.current.configuration if written else None
    if isinstance(configured, Unreadable):
        what = "what the approver's configuration says of networks, domain and lifetimes"
        found.append(f"{what} is not known: {configured}")
    if evidence.approver_doubt:
        what = "whether the approver is installed is not known, and it is taken for installed"
        found.append(f"{what}: {evidence.approver_doubt}")
    return found


def pins_of(plan: Plan) -> dict[str, Pins]:
    """What a plan has proven, by node."""
    return {
        each.node: Pins(
            node=each.node,
            uid=each.uid,
            machine_id=each.machine_id,
            made_at=plan.made_at,
            names=each.names,
            addresses=each.addresses,
        )
        for each in plan.nodes
    }


async def _check_cluster(plan: Plan, api: ApiClient, inquiry: Inquiry) -> None:
    identity, trust = await together(gather_identity(api, inquiry), gather_trust(api, inquiry))
    if identity.uid.value is None or trust.value is None:
        doubts = [each.doubt.text for each in (identity.uid, trust) if each.doubt]
        raise PlanNotBound("--plan", "; ".join(doubts) or "it cannot be told which cluster this is")
    if why := not_the_cluster(plan.cluster, identity.uid.value, trust.value.sha256):
        raise UsageError("--plan", why, "a plan made for this cluster was expected")
