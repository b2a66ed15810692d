"""The approvers of serving CSRs on a cluster: ours, whether it decides and why not; workloads with a role for it; and what was approved last, and by whom.

Kubernetes itself never approves them (pkg/controller/certificates/approver/sarapprove.go handles client certificates
only). A role counts only if it names signers and the verb approve; cluster-admin alone makes no approver.
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
"""Of its Deployment, its account, its Lease and its configuration."""

CONFIGURATION_KEY: Final = "configuration.yaml"
PART_OF: Final = "app.kubernetes.io/part-of"
"""The label of everything that is ours in a cluster; its value is "kubevouch"."""

_LATELY: Final = timedelta(minutes=1)
"""Whoever leads renews the Lease every two seconds, and after 15 another one may take it: one of its pods, if it has any."""

_RUNS_OUT: Final = timedelta(seconds=15)
"""Without pods there is nobody who would take it then."""

_TAKEN_WITHIN: Final = timedelta(seconds=10)
"""A Lease that was given back is taken within two seconds by a pod that is ready, and asks every two."""


@dataclass(frozen=True, slots=True)
class OurApprover:
    """What its Deployment and its Lease show. One that leads without any pod was started by hand.

    leader: who holds the Lease; "" for nobody. silent: since when nobody has renewed it; None if there is no Lease.
    configuration: the text of its configuration; None if it has none, or if the doubt says why that is not known.
    """

    wanted: int
    ready: int
    leader: str
    silent: timedelta | None
    configuration: str | None = None
    configuration_doubt: Doubt | None = None

    @property
    def decides(self) -> bool:
        """Whether one process leads, or takes over this moment. Only who leads decides, however many pods are ready."""
        if self.silent is None:
            return False
        if not self.leader:  # who ended in good order has given the Lease back
            return self.ready > 0 and self.silent < _TAKEN_WITHIN
        if self.wanted or self.ready:
            return self.silent < _LATELY
        # A pod that was deleted with its Deployment leaves the Lease behind as it was.
        # A process calls itself by its host, which for a pod is the pod's name.
        return not self.leader.startswith(f"{NAME}-") and self.silent < _RUNS_OUT

    @property
    def why_not(self) -> str:
        """Why it decides nothing; empty if it does."""
        if self.decides:
            return ""
        if not self.wanted:
            return "its Deployment is scaled to nothing"
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
"""Reason of the condition with which this product approves: our approver, and a person by `csr approve` or `apply`."""

APPROVER_SAYS = "kubevouch approver: "
"""What the message of a condition begins with that our approver wrote, and no person."""

DENIED_BY_US = "KubevouchDeny"
"""Reason of the condition with which this product denies."""

ROLLOUT_ROLE = "kubevouch-rollout"
INSTALLER_ROLE = "kubevouch-approver-installer"
"""The roles that we print for those who run `apply` and `approver install`. They may approve, and are for people."""

_FOR_PEOPLE = {ROLLOUT_ROLE, INSTALLER_ROLE}
_BY_HAND = {"KubectlApprove", BY_US}
_ACCOUNT_USER = "system:serviceaccount:"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


def approving_accounts(
    roles: Iterable[Role], bindings: Iterable[RoleBinding]
) -> tuple[tuple[str, str, str], ...]:
    """(namespace, service account, role) of each account bound to a role that is made for approving.

    The roles that we print for people do not count: a pod that installs or fixes is gone when the next CSR comes.
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
    """Namespace and name of a service account, in either of the two ways in which RBAC writes one; else None."""
    if subject.kind == "ServiceAccount":
        namespace, name = subject.namespace, subject.name
    elif subject.kind == "User" and subject.name.startswith(_ACCOUNT_USER):
        namespace, _, name = subject.name.removeprefix(_ACCOUNT_USER).partition(":")
    else:
        return None
    # A User may have any name; a name that no ServiceAccount can have would mean something else in a selector.
    plain = _NAME.fullmatch(namespace) and _NAME.fullmatch(name)
    return (namespace, name) if plain else None


@dataclass(frozen=True, slots=True)
class Approver:
    """An approver of serving CSRs on this cluster, and how we know of it. running: whether it is seen to run."""

    name: str
    evidence: str
    running: bool


def is_by_our_approver(condition: CsrCondition) -> bool:
    """Whether our approver wrote it, and no person with `csr approve` or `apply`; by what the writer says of itself."""
    return condition.reason == BY_US and condition.message.startswith(APPROVER_SAYS)


def decided_by(condition: CsrCondition) -> str:
    """Who decided on a CSR, by what the writer says of itself: our approver, a person with one of two programs, or whoever gives that reason."""
    if is_by_our_approver(condition):
        return "our approver"
    programs = {BY_US: "kubevouch", DENIED_BY_US: "kubevouch"}
    programs |= {"KubectlApprove": "kubectl", "KubectlDeny": "kubectl"}
    return programs.get(condition.reason, f"reason {condition.reason!r}")


def last_approval(
    csrs: Iterable[CertificateSigningRequest], now: datetime, but: Collection[str] = ()
) -> Approver | None:
    """Whoever gave the newest approval that no person gave: an approver ran then, and may run now.

    Where it is outside of the cluster, as on a managed control plane, nothing else shows it at all.
    csrs: oldest first. but: whose approvals do not count.
    """
    for csr in reversed(tuple(csrs)):
        approved = csr.condition("Approved")
        if approved is None:
            continue
        is_ours = is_by_our_approver(approved)
        name = OUR_APPROVER if is_ours else f"whoever approves with reason {approved.reason!r}"
        if name in but or (approved.reason in _BY_HAND and not is_ours):
            continue
        at = approved.last_update_time or csr.metadata.creation_timestamp
        when = f" {duration_text(now - at)} ago" if at else ""
        node = csr.spec.username.removeprefix(NODE_PREFIX)
        told = f"{csr.name} of {node} was approved{when} with reason {approved.reason!r}"
        how = f"{told}; whether that approver still runs is not known"
        return Approver(name, how, running=False)
    return None
