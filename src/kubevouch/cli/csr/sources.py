"""The sources of allowed names on a command line: a plan, --allow, or the node's own status.

The sources are no fall-through: a plan that knows a node decides for it, and what --allow says of it comes besides.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from kubevouch.cli.common.allow import check_nodes, network_of, node_values
from kubevouch.errors import KubevouchError, UsageError
from kubevouch.evidence.gather.identity import gather_identity, gather_trust
from kubevouch.evidence.gather.inquiry import Inquiry, together
from kubevouch.evidence.gather.policy_evidence import gather_policy_evidence
from kubevouch.evidence.names import Network, with_more
from kubevouch.evidence.policy_evidence import PolicyEvidence
from kubevouch.kube.io.client import ApiClient
from kubevouch.policy.claims import (
    AllowedNames,
    Claim,
    NameSource,
    allowed_names_of,
    as_address,
    claims_value,
    other_nodes_of,
    with_said,
)
from kubevouch.policy.csr import Csr, csr_of, requestor_node
from kubevouch.policy.decide import Decision, decide
from kubevouch.policy.facts import csr_facts
from kubevouch.policy.pins import Pins, allowed_by_pins
from kubevouch.rollout.decide.binding import not_the_cluster
from kubevouch.rollout.decide.plan import NodePlan, Plan, read_plan


class PlanNotBound(KubevouchError):
    """It is not known whether this is the cluster of the plan."""


@dataclass(frozen=True)
class Sources:
    """The sources given on the command line."""

    plan: Plan | None
    allowed: dict[str, tuple[str, ...]]
    trust_node_status: bool
    domains: tuple[str, ...] = ()
    service_networks: tuple[Network, ...] = ()

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
            read_plan(plan_file) if plan_file else None,
            node_values(allow),
            trust_node_status,
            domains=(cluster_domain,) if cluster_domain else (),
            service_networks=tuple(map(network_of, service_cidr)),
        )

    async def gather(self, api: ApiClient, inquiry: Inquiry) -> PolicyEvidence:
        """What the cluster tells, and what the operator tells besides.

        Raises:
            UsageError: the plan is for another cluster, or --allow names no Node of this one.
            PlanNotBound: which cluster this is cannot be told.
        """
        if self.plan is not None:
            await _check_cluster(self.plan, api, inquiry)
        evidence = await gather_policy_evidence(api, inquiry)
        if evidence.nodes.is_known:
            check_nodes(self.allowed, (node.name for node in evidence.nodes.or_else(())))
        names = with_more(
            evidence.names, domains=self.domains, service_networks=self.service_networks
        )
        return replace(evidence, names=names)

    def unused(self, evidence: PolicyEvidence, *more: Csr) -> list[str]:
        """What --allow says in vain, a line each: its node neither claims the value nor asks for it in any CSR.

        more: CSRs that are judged besides those in the evidence, such as one in a file.
        """
        if not evidence.csrs.is_known:
            return []  # nobody knows what is asked for
        csrs = [*map(csr_of, evidence.csrs.or_else(())), *more]
        found = []
        for node, values in self.allowed.items():
            of_node = evidence.node(node)
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

    def judged(self, csr: Csr, evidence: PolicyEvidence, at: datetime) -> Decision:
        """What the policy says with these sources."""
        node = requestor_node(csr)
        return decide(
            csr_facts(
                csr,
                evidence,
                at=at,
                allowed=self.allowed_names(node, evidence, at) if node else None,
                pinned=self._pinned(),
            )
        )

    def allowed_names(
        self, node: str, evidence: PolicyEvidence, at: datetime
    ) -> AllowedNames | None:
        """What the node may have: by the plan if that knows it, else by its own word; and by --allow."""
        found = evidence.node(node)
        if found is None:
            return None
        said = self.allowed.get(node, ())
        loopback = evidence.names.loopback
        shared = loopback.shared & loopback.addresses
        for each in self.plan.nodes if self.plan else ():
            if self.plan and each.node == node:
                others = other_nodes_of(node, evidence.nodes.or_else(()), shared)
                pins = _pins(each, self.plan.made_at)
                return allowed_by_pins(pins, found, others, at=at, said=said)
        trusts = self.trust_node_status
        return with_said(allowed_names_of(found, said=said, trusts_node=trusts), said)

    def _pinned(self) -> list[tuple[str, Claim]]:
        planned = self.plan.nodes if self.plan else ()
        pins = [(p.node, e) for p in planned for e in (*p.names, *p.addresses) if e.source.is_proof]
        pins += [
            (node, Claim(value, NameSource.OPERATOR))
            for node, values in self.allowed.items()
            for value in values
        ]
        return pins


def _pins(planned: NodePlan, made_at: datetime) -> Pins:
    return Pins(
        node=planned.node,
        uid=planned.uid,
        machine_id=planned.machine_id,
        made_at=made_at,
        names=planned.names,
        addresses=planned.addresses,
    )


async def _check_cluster(plan: Plan, api: ApiClient, inquiry: Inquiry) -> None:
    identity, trust = await together(gather_identity(api, inquiry), gather_trust(api, inquiry))
    if identity.uid.value is None or trust.value is None:
        doubts = [each.doubt.text for each in (identity.uid, trust) if each.doubt]
        raise PlanNotBound("--plan", "; ".join(doubts) or "it cannot be told which cluster this is")
    if why := not_the_cluster(plan.cluster, identity.uid.value, trust.value.sha256):
        raise UsageError("--plan", why, "a plan made for this cluster was expected")
