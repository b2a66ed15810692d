"""The approvers of serving CSRs: ours and whether it decides, workloads with a role for it, and the last approval.

Kubernetes itself never approves serving CSRs (pkg/controller/certificates/approver/sarapprove.go
handles client certificates only). A role counts only if it names signers and the verb approve;
cluster-admin alone makes no approver.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kubevouch.evidence.measured import Doubt
from kubevouch.kube.resources import (
    CertificateSigningRequest,
    CsrCondition,
    PolicyRule,
    Role,
    RoleBinding,
    Subject,
)
from kubevouch.x509.kinds import NODE_PREFIX, duration_text

NAMESPACE: Final = "kubevouch-system"
NAME: Final = "kubevouch-approver"
"""The name of its Deployment, account, Lease and configuration."""

CONFIGURATION_KEY: Final = "configuration.yaml"
PART_OF: Final = "app.kubernetes.io/part-of"
"""The label of all our objects in a cluster; its value is "kubevouch"."""

_LATELY: Final = timedelta(minutes=1)
"""The leader renews the Lease every two seconds. After 15 silent seconds another pod may take
it, if there is one."""

_RUNS_OUT: Final = timedelta(seconds=15)
"""Without pods nobody takes it then."""

_TAKEN_WITHIN: Final = timedelta(seconds=10)
"""A ready pod asks every two seconds, so it takes a released Lease within that time."""


@dataclass(frozen=True, slots=True)
class OurApprover:
    """What its Deployment and its Lease show.

    An operator may have started a leader without a pod by hand.

    leader: who holds the Lease; "" for nobody. silent: time since the last renewal; None without a
    Lease. configuration: its text; None without one, or if the doubt says why it is unknown.
    """

    wanted: int
    ready: int
    leader: str
    silent: timedelta | None
    configuration: str | None = None
    configuration_doubt: Doubt | None = None

    @property
    def decides(self) -> bool:
        """Whether one process leads, or takes over now.

        Only the leader decides, however many pods are ready.
        """
        if self.silent is None:
            return False
        if not self.leader:  # a process that ends cleanly releases the Lease
            return self.ready > 0 and self.silent < _TAKEN_WITHIN
        if self.wanted or self.ready:
            return self.silent < _LATELY
        # A pod that was deleted with its Deployment leaves its Lease behind. A process's identity
        # is its host name, which for a pod is the pod's name.
        return not self.leader.startswith(f"{NAME}-") and self.silent < _RUNS_OUT

    @property
    def why_not(self) -> str:
        """Why it decides nothing; empty if it decides."""
        if self.decides:
            return ""
        if not self.wanted:
            return "its Deployment has 0 replicas"
        if not self.ready:
            pods = "its pod is not" if self.wanted == 1 else f"none of its {self.wanted} pods is"
            return f"{pods} ready"
        if self.silent is None:
            return "its pods are ready, and none has ever led"
        if not self.leader:
            return "its pods are ready, and none leads"
        since = duration_text(self.silent)
        return f"its pods are ready, and none leads: the Lease was renewed {since} ago"


_GROUPS = {"certificates.k8s.io", "*"}
_SIGNERS = {"kubernetes.io/kubelet-serving", "kubernetes.io/*"}
OUR_APPROVER = f"{NAMESPACE}/{NAME}"
"""Namespace and service account of the approver that this product installs."""

BY_US = "KubevouchApprove"
"""The reason of our approvals' condition: from our approver, `csr approve` and `apply`."""

APPROVER_SAYS = "kubevouch approver: "
"""How the messages of our approver's conditions begin, unlike those of a person."""

DENIED_BY_US = "KubevouchDeny"
"""The reason of our denials' condition."""

ROLLOUT_ROLE = "kubevouch-rollout"
INSTALLER_ROLE = "kubevouch-approver-installer"
"""The roles that we print for people who run `apply` and `approver install`. They may approve."""

_FOR_PEOPLE = {ROLLOUT_ROLE, INSTALLER_ROLE}
_BY_HAND = {"KubectlApprove", BY_US}
_ACCOUNT_USER = "system:serviceaccount:"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


def approving_accounts(
    roles: Iterable[Role], bindings: Iterable[RoleBinding]
) -> tuple[tuple[str, str, str], ...]:
    """(namespace, service account, role) of each account bound to a role made for approving.

    Roles that we print for people do not count: a pod that installs or fixes is gone when the next
    CSR comes.
    """
    made_for_it = {role.name for role in roles if any(map(_approves, role.rules))} - _FOR_PEOPLE
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
        and bool(_GROUPS & set(rule.api_groups))
        and "signers" in rule.resources
        and (not rule.resource_names or bool(_SIGNERS & set(rule.resource_names)))
    )


def _account(subject: Subject) -> tuple[str, str] | None:
    """Namespace and name of a service account, in either of RBAC's two spellings; else None."""
    if subject.kind == "ServiceAccount":
        namespace, name = subject.namespace, subject.name
    elif subject.kind == "User" and subject.name.startswith(_ACCOUNT_USER):
        namespace, _, name = subject.name.removeprefix(_ACCOUNT_USER).partition(":")
    else:
        return None
    # A User may have any name, which could mean something else in a selector.
    plain = _NAME.fullmatch(namespace) and _NAME.fullmatch(name)
    return (namespace, name) if plain else None


@dataclass(frozen=True, slots=True)
class Approver:
    """An approver of serving CSRs on this cluster, and how we know of it. running: whether it is seen to run."""

    name: str
    evidence: str
    running: bool


def is_by_our_approver(condition: CsrCondition) -> bool:
    """Whether our approver wrote it, and not a person with `csr approve` or `apply`, by the writer's own words."""
    return condition.reason == BY_US and condition.message.startswith(APPROVER_SAYS)


def decided_by(condition: CsrCondition) -> str:
    """Who decided a CSR, by the writer's own words: our approver, a person with one of two programs, or a reason."""
    if is_by_our_approver(condition):
        return "our approver"
    programs = {BY_US: "kubevouch", DENIED_BY_US: "kubevouch"}
    programs |= {"KubectlApprove": "kubectl", "KubectlDeny": "kubectl"}
    return programs.get(condition.reason, f"reason {condition.reason!r}")


def last_approval(
    csrs: Iterable[CertificateSigningRequest], now: datetime, but: Collection[str] = ()
) -> Approver | None:
    """The author of the newest approval that no person gave: that approver ran then, and may run now.

    For an approver outside the cluster, as on a managed control plane, this is the only trace.
    csrs: oldest first. but: approvers that do not count.
    """
    for csr in reversed(tuple(csrs)):
        approved = csr.condition("Approved")
        if approved is None:
            continue
        is_ours = is_by_our_approver(approved)
        name = OUR_APPROVER if is_ours else f"an approver with reason {approved.reason!r}"
        if name in but or (approved.reason in _BY_HAND and not is_ours):
            continue
        at = approved.last_update_time or csr.metadata.creation_timestamp
        when = f" {duration_text(now - at)} ago" if at else ""
        node = csr.spec.username.removeprefix(NODE_PREFIX)
        told = f"{csr.name} of {node} was approved{when} with reason {approved.reason!r}"
        how = f"{told}; it is unknown whether that approver still runs"
        return Approver(name, how, running=False)
    return None
