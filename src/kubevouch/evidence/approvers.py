"""Who approves serving requests on this cluster: a workload whose role says so, or one that did so lately.

Kubernetes itself never does (pkg/controller/certificates/approver/sarapprove.go knows client certificates only). A
role counts only if it names signers and the verb approve: whoever may do everything has no special wish to.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from kubevouch.evidence.measured import Asking, Doubt, Measured, Vantage, together
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
from kubevouch.kube.resources.rbac import Subject

_SIGNERS = {"kubernetes.io/kubelet-serving", "kubernetes.io/*"}
BY_US = "KubevouchApprove"
"""Reason of the condition that this product writes."""

_BY_HAND = {"KubectlApprove", BY_US}
_ACCOUNT_USER = "system:serviceaccount:"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


async def gather_approvers(api: ApiClient, asking: Asking) -> Measured[tuple[Approver, ...]]:
    """The workloads that may approve and are there to do so."""
    roles: Measured[tuple[Role, ...]]
    bindings: Measured[tuple[RoleBinding, ...]]
    roles, bindings = await together(
        asking.ask(api.list_all(CLUSTER_ROLES)), asking.ask(api.list_all(CLUSTER_ROLE_BINDINGS))
    )
    if doubt := _both(roles.doubt, bindings.doubt):
        return Measured(Vantage.API_SERVER, roles.at, doubt=doubt)
    accounts = approving_accounts(roles.or_else(()), bindings.or_else(()))
    found: list[Measured[Approver]] = await together(
        *(_approver(api, asking, *account) for account in accounts)
    )
    known = tuple(each.value for each in found if each.value is not None)
    # Whether one runs whose pods cannot be seen is not known; that matters where no other one does.
    unseen = None if any(each.running for each in known) else _first_doubt(found)
    return Measured(Vantage.API_SERVER, roles.at, None if unseen else known, unseen)


def _both(one: Doubt | None, other: Doubt | None) -> Doubt | None:
    """The first of the two, with what is lacking for either."""
    found = one or other
    return found and replace(
        found, lacking=tuple(each for doubt in (one, other) if doubt for each in doubt.lacking)
    )


def _first_doubt(found: Iterable[Measured[Approver]]) -> Doubt | None:
    return next((each.doubt for each in found if each.doubt is not None), None)


def approving_accounts(
    roles: Iterable[Role], bindings: Iterable[RoleBinding]
) -> tuple[tuple[str, str, str], ...]:
    """(namespace, service account, role) of those bound to a role that is made for approving."""
    made_for_it = {role.name for role in roles if any(map(_approves, role.rules))}
    bound = {
        (*account, binding.role_ref.name)
        for binding in bindings
        if binding.role_ref.kind == "ClusterRole" and binding.role_ref.name in made_for_it
        for subject in binding.subjects
        if (account := _account(subject))
    }
    return tuple(sorted(bound))


def _approves(rule: PolicyRule) -> bool:
    return (
        "approve" in rule.verbs
        and "signers" in rule.resources
        and (not rule.resource_names or bool(_SIGNERS & set(rule.resource_names)))
    )


def _account(subject: Subject) -> tuple[str, str] | None:
    """Namespace and name of a service account, in either of the two ways in which RBAC writes one; else None."""
    if subject.kind == "ServiceAccount":
        namespace, name = subject.namespace, subject.name
    elif subject.kind == "User" and subject.name.startswith(_ACCOUNT_USER):
        namespace, _, name = subject.name.removeprefix(_ACCOUNT_USER).partition(":")
    else:
        return None
    # A User may be called anything; what is no account's name would be something else in a selector.
    plain = _NAME.fullmatch(namespace) and _NAME.fullmatch(name)
    return (namespace, name) if plain else None


async def _approver(
    api: ApiClient, asking: Asking, namespace: str, account: str, role: str
) -> Measured[Approver]:
    selector = f"spec.serviceAccountName={account}"
    pods: Measured[tuple[Pod, ...]] = await asking.ask(
        api.list_all(PODS, namespace, field_selector=selector)
    )
    if pods.doubt is not None:
        return Measured(pods.vantage, pods.at, doubt=pods.doubt)
    running = sum(pod.ready for pod in pods.or_else(()))
    how = f"ClusterRole {role} is bound to it; {running} of its pods are ready"
    approver = Approver(f"{namespace}/{account}", how, running=running > 0)
    return Measured(pods.vantage, pods.at, approver)


def lately_approved(requests: Iterable[CertificateSigningRequest]) -> Approver | None:
    """Somebody else than a person has approved one within its hour of life in the API."""
    for request in requests:
        approved = request.condition("Approved")
        if approved is not None and approved.reason not in _BY_HAND:
            text = f"{request.name} was approved with reason {approved.reason!r}"
            return Approver(f"whoever says {approved.reason!r}", text, running=True)
    return None
