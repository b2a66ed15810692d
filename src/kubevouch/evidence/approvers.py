"""Who approves serving requests on this cluster: a workload whose role says so, or one that did so lately.

Kubernetes itself never does (pkg/controller/certificates/approver/sarapprove.go knows client certificates only). A
role counts only if it names signers and the verb approve: whoever may do everything has no special wish to.
"""

from collections.abc import Iterable

from kubevouch.evidence.measured import Asking, Measured, Vantage, together
from kubevouch.evidence.snapshot import Approver
from kubevouch.kube.client import ApiClient
from kubevouch.kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    PODS,
    CertificateSigningRequest,
    Pod,
    PolicyRule,
    Role,
    RoleBinding,
)

_SIGNERS = {"kubernetes.io/kubelet-serving", "kubernetes.io/*"}
BY_US = "KubevouchApprove"
"""Reason of the condition that this product writes."""

_BY_HAND = {"KubectlApprove", BY_US}


async def gather_approvers(api: ApiClient, asking: Asking) -> Measured[tuple[Approver, ...]]:
    """The workloads that may approve and are there to do so."""
    roles: Measured[tuple[Role, ...]]
    bindings: Measured[tuple[RoleBinding, ...]]
    roles, bindings = await together(
        asking.ask(api.list_all(CLUSTER_ROLES)), asking.ask(api.list_all(CLUSTER_ROLE_BINDINGS))
    )
    if doubt := roles.doubt or bindings.doubt:
        return Measured(Vantage.API_SERVER, roles.at, doubt=doubt)
    accounts = approving_accounts(roles.or_else(()), bindings.or_else(()))
    found = [await _approver(api, asking, *account) for account in accounts]
    return Measured(Vantage.API_SERVER, roles.at, tuple(found))


def approving_accounts(
    roles: Iterable[Role], bindings: Iterable[RoleBinding]
) -> tuple[tuple[str, str, str], ...]:
    """(namespace, service account, role) of those bound to a role that is made for approving."""
    made_for_it = {role.name for role in roles if any(map(_approves, role.rules))}
    return tuple(
        sorted(
            {
                (subject.namespace, subject.name, binding.role_ref.name)
                for binding in bindings
                if binding.role_ref.kind == "ClusterRole" and binding.role_ref.name in made_for_it
                for subject in binding.subjects
                if subject.kind == "ServiceAccount"
            }
        )
    )


def _approves(rule: PolicyRule) -> bool:
    return (
        "approve" in rule.verbs
        and "signers" in rule.resources
        and (not rule.resource_names or bool(_SIGNERS & set(rule.resource_names)))
    )


async def _approver(
    api: ApiClient, asking: Asking, namespace: str, account: str, role: str
) -> Approver:
    selector = f"spec.serviceAccountName={account}"
    pods: Measured[tuple[Pod, ...]] = await asking.ask(
        api.list_all(PODS, namespace, field_selector=selector)
    )
    running = [pod for pod in pods.or_else(()) if pod.ready]
    known = f"ClusterRole {role} is bound to it"
    seen = f"{len(running)} of its pods are ready" if pods.is_known else "its pods cannot be read"
    return Approver(f"{namespace}/{account}", f"{known}; {seen}", running=bool(running))


def lately_approved(requests: Iterable[CertificateSigningRequest]) -> Approver | None:
    """Somebody else than a person has approved one within its hour of life in the API."""
    for request in requests:
        approved = request.condition("Approved")
        if approved is not None and approved.reason not in _BY_HAND:
            text = f"{request.name} was approved with reason {approved.reason!r}"
            return Approver(f"whoever says {approved.reason!r}", text, running=True)
    return None
