"""Approvers of serving CSRs: our own, and others found by their role or by the last approval.

Kubernetes itself never approves serving CSRs (pkg/controller/certificates/approver/sarapprove.go
handles client certificates only). Only a role that lists the verb `approve` on `signers` makes an
account an approver. A wildcard verb, as in cluster-admin, does not.
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
"""The name of the approver's Deployment, service account, Lease and ConfigMap."""

CONFIGURATION_KEY: Final = "configuration.yaml"
PART_OF: Final = "app.kubernetes.io/part-of"
"""The label on all our objects in a cluster, with the value "kubevouch"."""

_LEADER_TIMEOUT: Final = timedelta(minutes=1)
"""If the approver has pods, its leader counts as running for this long after renewing the Lease.
Leaders renew the Lease every two seconds. After 15 seconds without a renewal, another pod may
acquire it."""

_PODLESS_TIMEOUT: Final = timedelta(seconds=15)
"""If the approver has no pods, a leader that is not a pod counts as running for this long after it
last renewed the Lease."""

_TAKEOVER_TIME: Final = timedelta(seconds=10)
"""A ready pod acquires a released Lease within this time. Approver pods try every two seconds."""


@dataclass(frozen=True, slots=True)
class OurApprover:
    """The Deployment and Lease of our approver.

    The leader need not be a pod: somebody may have started the process by hand.

    leader: the Lease's holder; "" if nobody holds it. silent: time since the Lease's last renewal;
    None if there is no Lease. configuration: the ConfigMap's text; None if the ConfigMap is
    missing or unreadable. configuration_doubt: why the ConfigMap is unreadable.
    """

    wanted: int
    ready: int
    leader: str
    silent: timedelta | None
    configuration: str | None = None
    configuration_doubt: Doubt | None = None

    @property
    def decides(self) -> bool:
        """Whether a process holds the Lease, or will soon take it.

        Only the holder decides on CSRs.
        """
        if self.silent is None:
            return False
        if not self.leader:  # a process that ends cleanly releases the Lease
            return self.ready > 0 and self.silent < _TAKEOVER_TIME
        if self.wanted or self.ready:
            return self.silent < _LEADER_TIMEOUT
        # A pod that was deleted with its Deployment leaves its Lease behind. A process's identity
        # is its host name, which for a pod is the pod's name.
        return not self.leader.startswith(f"{NAME}-") and self.silent < _PODLESS_TIMEOUT

    @property
    def why_not(self) -> str:
        """Why our approver does not decide on CSRs; empty if it does."""
        if self.decides:
            return ""
        if not self.wanted:
            return "its Deployment has 0 replicas"
        if not self.ready:
            return f"{self.ready} of {self.wanted} pods are ready"
        if self.silent is None:
            return "its pods are ready, but none has ever been the leader"
        if not self.leader:
            return "its pods are ready, but none is the leader"
        since = duration_text(self.silent)
        return f"its pods are ready, but none is the leader: the Lease was last renewed {since} ago"


_GROUPS = {"certificates.k8s.io", "*"}
_SIGNERS = {"kubernetes.io/kubelet-serving", "kubernetes.io/*"}
OUR_APPROVER = f"{NAMESPACE}/{NAME}"
"""Namespace and service account of the approver that kubevouch installs."""

BY_US = "KubevouchApprove"
"""The reason in the Approved condition that our approver, `csr approve` and `apply` write."""

APPROVER_SAYS = "kubevouch approver: "
"""The prefix of messages in our approver's conditions. Approvals by people do not have this prefix."""

DENIED_BY_US = "KubevouchDeny"
"""The reason in the Denied condition that `csr deny` writes."""

ROLLOUT_ROLE = "kubevouch-rollout"
INSTALLER_ROLE = "kubevouch-approver-installer"
"""The role for people who run `approver install`. Like ROLLOUT_ROLE, it permits approving."""

_FOR_PEOPLE = {ROLLOUT_ROLE, INSTALLER_ROLE}
_BY_HAND = {"KubectlApprove", BY_US}
_ACCOUNT_USER = "system:serviceaccount:"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


def approving_accounts(
    roles: Iterable[Role], bindings: Iterable[RoleBinding]
) -> tuple[tuple[str, str, str], ...]:
    """(namespace, service account, role) for each account that is bound to a role that permits approving.

    ROLLOUT_ROLE and INSTALLER_ROLE do not count. They are for people who run `apply` or
    `approver install`, and a pod that runs these commands does not approve later CSRs.
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
    """Returns the namespace and name of the service account; None if the subject is not a service account."""
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
    """An approver of serving CSRs on this cluster.

    evidence: how we know about it. running: whether it is known to be running.
    """

    name: str
    evidence: str
    running: bool


def is_by_our_approver(condition: CsrCondition) -> bool:
    """Whether our approver wrote the condition, rather than a person with `csr approve` or `apply`."""
    return condition.reason == BY_US and condition.message.startswith(APPROVER_SAYS)


def decided_by(condition: CsrCondition) -> str:
    """Who decided the CSR: "our approver", the tool that a person used (kubevouch or kubectl), or else the condition's reason."""
    if is_by_our_approver(condition):
        return "our approver"
    programs = {BY_US: "kubevouch", DENIED_BY_US: "kubevouch"}
    programs |= {"KubectlApprove": "kubectl", "KubectlDeny": "kubectl"}
    return programs.get(condition.reason, f"reason {condition.reason!r}")


def last_approval(
    csrs: Iterable[CertificateSigningRequest], now: datetime, but: Collection[str] = ()
) -> Approver | None:
    """The approver that wrote the newest approval, ignoring approvals by people.

    The approver may no longer run. An approver outside the cluster, as on a managed control plane,
    leaves no trace except its approvals. csrs: oldest first. but: names of approvers to skip.
    """
    for csr in reversed(tuple(csrs)):
        approved = csr.condition("Approved")
        if approved is None:
            continue
        is_ours = is_by_our_approver(approved)
        name = OUR_APPROVER if is_ours else f"the approver that writes reason {approved.reason!r}"
        if name in but or (approved.reason in _BY_HAND and not is_ours):
            continue
        at = approved.last_update_time or csr.metadata.creation_timestamp
        when = f" {duration_text(now - at)} ago" if at else ""
        node = csr.spec.username.removeprefix(NODE_PREFIX)
        seen = f"{csr.name} of {node} was approved{when} with reason {approved.reason!r}"
        how = f"{seen}; it is unknown whether that approver still runs"
        return Approver(name, how, running=False)
    return None
