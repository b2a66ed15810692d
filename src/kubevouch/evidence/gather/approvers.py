"""Finds the workloads that approve serving CSRs on this cluster, and whether one of them runs."""

from collections.abc import Iterable
from dataclasses import replace

from kubevouch.evidence.approvers import approving_accounts
from kubevouch.evidence.gather.at_once import together
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.measured import Doubt, Measured, Vantage
from kubevouch.evidence.snapshot import Approver
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    PODS,
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
    # If the pods of an approver cannot be read, that matters only if no other approver runs.
    unseen = None if any(each.running for each in known) else _first_doubt(found)
    return Measured(Vantage.API_SERVER, roles.at, None if unseen else known, unseen)


def _both(one: Doubt | None, other: Doubt | None) -> Doubt | None:
    """The first doubt, with the rights that are lacking for both."""
    found = one or other
    return found and replace(
        found, lacking=tuple(each for doubt in (one, other) if doubt for each in doubt.lacking)
    )


def _first_doubt(found: Iterable[Measured[Approver]]) -> Doubt | None:
    return next((each.doubt for each in found if each.doubt is not None), None)


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
    how = f"ClusterRole {role} is bound to it; {running} of its pods are ready"
    approver = Approver(f"{namespace}/{account}", how, running=running > 0)
    return Measured(pods.vantage, pods.at, approver)
