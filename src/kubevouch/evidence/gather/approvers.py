"""Finds approvers of serving CSRs: workloads whose role permits approving, and our own approver."""

from dataclasses import replace
from datetime import datetime

from kubevouch.evidence.approvers import (
    CONFIGURATION_KEY,
    NAME,
    NAMESPACE,
    Approver,
    OurApprover,
    approving_accounts,
)
from kubevouch.evidence.gather.inquiry import Inquiry, together
from kubevouch.evidence.measured import Doubt, Measured, Vantage
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIG_MAPS,
    DEPLOYMENTS,
    LEASES,
    PODS,
    ConfigMap,
    Deployment,
    Lease,
    Pod,
    Role,
    RoleBinding,
)


async def gather_approvers(api: ApiClient, inquiry: Inquiry) -> Measured[tuple[Approver, ...]]:
    """The approvers of serving CSRs, and whether their pods run."""
    roles: Measured[tuple[Role, ...]]
    bindings: Measured[tuple[RoleBinding, ...]]
    roles, bindings = await together(
        inquiry.ask(api.list_all(CLUSTER_ROLES)), inquiry.ask(api.list_all(CLUSTER_ROLE_BINDINGS))
    )
    if doubt := _both(roles.doubt, bindings.doubt):
        return Measured(Vantage.API_SERVER, roles.at, doubt=doubt)
    accounts = approving_accounts(roles.or_else(()), bindings.or_else(()))
    found: list[Measured[Approver]] = await together(
        *(_approver(api, inquiry, *account) for account in accounts)
    )
    known = tuple(each.value for each in found if each.value is not None)
    # An approver with unreadable pods matters only if no other approver runs.
    doubts = (each.doubt for each in found if each.doubt is not None)
    unseen = None if any(each.running for each in known) else next(doubts, None)
    return Measured(Vantage.API_SERVER, roles.at, None if unseen else known, unseen)


def _both(one: Doubt | None, other: Doubt | None) -> Doubt | None:
    """Merges two doubts: the first that is not None, with the missing permissions of both."""
    found = one or other
    return found and replace(
        found, lacking=tuple(each for doubt in (one, other) if doubt for each in doubt.lacking)
    )


async def _approver(
    api: ApiClient, inquiry: Inquiry, namespace: str, account: str, role: str
) -> Measured[Approver]:
    selector = f"spec.serviceAccountName={account}"
    pods: Measured[tuple[Pod, ...]] = await inquiry.ask(
        api.list_all(PODS, namespace, field_selector=selector)
    )
    if pods.doubt is not None:
        return Measured(pods.vantage, pods.at, doubt=pods.doubt)
    running = sum(pod.ready for pod in pods.or_else(()))
    how = f"bound to ClusterRole {role}; ready pods: {running}"
    approver = Approver(f"{namespace}/{account}", how, running=running > 0)
    return Measured(pods.vantage, pods.at, approver)


async def gather_our_approver(api: ApiClient, inquiry: Inquiry) -> Measured[OurApprover]:
    """Our approver. The value is None if it has no Deployment, no ready pod and no leader."""
    deployment: Measured[Deployment]
    lease: Measured[Lease]
    configuration: Measured[ConfigMap]
    deployment, lease, configuration = await together(
        inquiry.ask(api.get(DEPLOYMENTS, NAME, NAMESPACE)),
        inquiry.ask(api.get(LEASES, NAME, NAMESPACE)),
        inquiry.ask(api.get(CONFIG_MAPS, NAME, NAMESPACE)),
    )
    if deployment.doubt is not None:
        return Measured(Vantage.API_SERVER, deployment.at, doubt=deployment.doubt)
    if deployment.value is not None and lease.doubt is not None:
        return Measured(Vantage.API_SERVER, deployment.at, doubt=lease.doubt)
    found = _ours(deployment.value, lease.value, api.server_clock.now())
    if deployment.value is None and lease.value is not None and not found.decides:
        # No node can create such a pod, whatever owns it: a mirror pod has no account
        # (NodeRestriction).
        account = f"spec.serviceAccountName={NAME}"
        pods: Measured[tuple[Pod, ...]] = await inquiry.ask(
            api.list_all(PODS, NAMESPACE, field_selector=account)
        )
        if pods.doubt is not None:
            return Measured(Vantage.API_SERVER, pods.at, doubt=pods.doubt)
        staying = [p for p in pods.or_else(()) if not p.is_ending]
        found = replace(found, wanted=len(staying), ready=sum(pod.ready for pod in staying))
    text = configuration.value.data.get(CONFIGURATION_KEY) if configuration.value else None
    found = replace(found, configuration=text, configuration_doubt=configuration.doubt)
    there = deployment.value is not None or found.ready > 0 or found.decides
    return Measured(Vantage.API_SERVER, deployment.at, found if there else None)


def _ours(deployment: Deployment | None, lease: Lease | None, now: datetime) -> OurApprover:
    """Combines the Deployment and the Lease.

    now: the time by the API server's clock, which also stamps the Lease's writes.
    """
    written = lease.written if lease else None
    return OurApprover(
        wanted=deployment.spec.replicas if deployment else 0,
        ready=deployment.status.ready_replicas if deployment else 0,
        leader=lease.spec.holder_identity if lease else "",
        silent=now - written if written else None,
    )
