"""Who approves on a cluster: from a real cluster's roles, and with the two approvers that people install."""

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
import pytest
import yaml

from kubevouch.cli.common.roles import roles_of
from kubevouch.evidence.approvers import (
    OUR_APPROVER,
    OurApprover,
    approving_accounts,
    last_approval,
)
from kubevouch.evidence.gather.approvers import gather_approvers
from kubevouch.evidence.measured import DoubtKind
from kubevouch.kube.resources import (
    CertificateSigningRequest,
    CsrCondition,
    PolicyRule,
    Role,
    RoleBinding,
    RoleRef,
    Subject,
)
from kubevouch.kube.resources.certificates import CsrStatus
from kubevouch.kube.resources.meta import ManagedMetadata, Metadata
from kubevouch.policy.decide import approval
from tests.evidence.test_the_clusters_own_names import seen
from tests.support.scenario import Expected, Scenario

RECORDED = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "story" / "rbac.json").read_text(encoding="utf-8")
)["items"]
ROLES = [msgspec.convert(r, Role) for r in RECORDED if r["kind"] == "ClusterRole"]
BINDINGS = [msgspec.convert(b, RoleBinding) for b in RECORDED if b["kind"] == "ClusterRoleBinding"]
SERVING = "kubernetes.io/kubelet-serving"


def role(
    name: str,
    *signers: str,
    verb: str = "approve",
    resource: str = "signers",
    group: str = "certificates.k8s.io",
) -> Role:
    rule = PolicyRule(
        verbs=(verb,),
        api_groups=(group,),
        resources=(resource,),
        resource_names=signers,
    )
    return Role(metadata=Metadata(name=name), rules=(rule,))


def bound(role_name: str, *subjects: Subject) -> RoleBinding:
    return RoleBinding(role_ref=RoleRef(kind="ClusterRole", name=role_name), subjects=subjects)


def account(namespace: str, name: str) -> Subject:
    return Subject(kind="ServiceAccount", namespace=namespace, name=name)


def test_a_cluster_as_kubeadm_makes_it_has_no_approver() -> None:
    """Not cluster-admin, nor the controllers that may do much: the certificate controller approves client requests."""
    assert {"cluster-admin", "system:controller:certificate-controller"} <= {r.name for r in ROLES}
    assert {each.role_ref.name for each in BINDINGS} >= {"cluster-admin"}
    assert approving_accounts(ROLES, BINDINGS) == ()


def test_a_workload_that_is_cluster_admin_is_no_approver_for_that() -> None:
    admin = bound("cluster-admin", account("ci", "deployer"))
    assert approving_accounts(ROLES, [*BINDINGS, admin]) == ()


# As published: postfinance's deploy/k8s/clusterrole.yaml, alex1989hu's deploy/base/clusterroles.yaml, Kubernetes' own.
PUBLISHED = {
    "kubelet-csr-approver": (role("kubelet-csr-approver", SERVING), "kube-system"),
    "kubelet-serving-cert-approver": (
        role("certificates:kubelet-serving-cert-approver", SERVING),
        "kubelet-serving-cert-approver",
    ),
    "by Kubernetes' own role": (None, "platform"),
    "for all of Kubernetes' signers": (role("wide", "kubernetes.io/*"), "platform"),
    "for every signer": (role("widest"), "platform"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_approver_is_known_by_the_role_that_is_made_for_it(name: str) -> None:
    theirs, namespace = PUBLISHED[name]
    roles = [*ROLES, *([theirs] if theirs else [])]
    bound_to = theirs.name if theirs else "system:certificates.k8s.io:kubelet-serving-approver"
    found = approving_accounts(
        roles, [*BINDINGS, bound(bound_to, account(namespace, "the-approver"))]
    )
    assert found == ((namespace, "the-approver", bound_to),)


@pytest.mark.parametrize(
    "printed", [roles_of("rollout"), roles_of("approver")], ids=["apply", "approver install"]
)
def test_whoever_has_the_rights_that_we_print_for_a_person_is_no_approver(printed: str) -> None:
    """A pipeline that runs `approver install` or `apply` approves nothing when it has ended."""
    documents = list(yaml.safe_load_all(printed))
    [ours] = [msgspec.convert(each, Role) for each in documents if each["kind"] == "ClusterRole"]
    renamed = msgspec.structs.replace(ours, metadata=Metadata(name="by-any-other-name"))
    person = account("ci", "deployer")
    found = approving_accounts([*ROLES, ours], [*BINDINGS, bound(ours.name, person)])
    assert found == ()
    assert approving_accounts([renamed], [bound(renamed.name, person)]), "it may approve"


@pytest.mark.parametrize(
    "theirs",
    [
        role("client", "kubernetes.io/kube-apiserver-client-kubelet"),
        role("signer", SERVING, verb="sign"),
        role("somebody-elses-signers", SERVING, group="example.com"),
        role("approval", verb="update", resource="certificatesigningrequests/approval"),
    ],
    ids=lambda each: each.name,
)
def test_a_role_for_something_near_makes_no_approver(theirs: Role) -> None:
    assert approving_accounts([theirs], [bound(theirs.name, account("a", "b"))]) == ()


@pytest.mark.parametrize(
    ("subject", "found"),
    [
        (Subject(kind="User", name="system:serviceaccount:kube-system:approver"), True),
        (Subject(kind="User", name="alice"), False),
        (Subject(kind="Group", name="system:serviceaccounts"), False),
        (Subject(kind="User", name="system:serviceaccount:kube-system"), False),
        (Subject(kind="User", name="system:serviceaccount:a:b,spec.nodeName=c"), False),
        (Subject(kind="ServiceAccount", name="approver"), False),
    ],
    ids=lambda each: getattr(each, "name", str(each)),
)
def test_only_a_service_account_is_a_workload(subject: Subject, found: bool) -> None:
    theirs = role("theirs", SERVING)
    assert bool(approving_accounts([theirs], [bound("theirs", subject)])) is found


def with_approver(approver: Literal["runs", "down"]) -> Scenario:
    return Scenario(title="", approver=approver, expected=Expected(finds=(), exit=0))


@pytest.mark.parametrize(("approver", "running"), [("runs", True), ("down", False)])
async def test_it_runs_if_a_pod_of_its_account_is_ready(
    approver: Literal["runs", "down"], running: bool
) -> None:
    async with seen(with_approver(approver)) as (_, api, inquiry):
        found = await gather_approvers(api, inquiry)
    assert [(each.name, each.running) for each in found.or_else(())] == [
        ("kube-system/kubelet-csr-approver", running)
    ]


async def test_an_approver_whose_pods_may_not_be_seen_is_a_doubt_and_not_a_no() -> None:
    async with seen(with_approver("runs")) as (stage, api, inquiry):
        stage.deny("list pods")
        found = await gather_approvers(api, inquiry)
    assert found.doubt is not None
    assert found.doubt.kind is DoubtKind.NOT_ALLOWED
    assert found.doubt.lacking == ("list pods",)


def approved(reason: str, message: str = "") -> CertificateSigningRequest:
    at = datetime(2026, 11, 24, 11, 59, tzinfo=UTC)
    condition = CsrCondition(
        type="Approved", status="True", reason=reason, message=message, last_update_time=at
    )
    return CertificateSigningRequest(status=CsrStatus(conditions=(condition,)))


def as_written(condition: CsrCondition) -> CertificateSigningRequest:
    return CertificateSigningRequest(
        metadata=ManagedMetadata(name="csr-1"), status=CsrStatus(conditions=(condition,))
    )


BY_HAND = [
    approved("KubectlApprove"),
    as_written(approval("alice", "pinned on 2026-11-25 by alice")),
    as_written(approval("run 0123456789ab")),
]
BY_OUR_APPROVER = as_written(approval("", "pinned on 2026-11-25 by alice"))


@pytest.mark.parametrize(
    ("csrs", "but", "name", "how"),
    [
        ([*BY_HAND, CertificateSigningRequest()], (), None, ""),
        (
            [*BY_HAND, approved("AutoApproved"), *BY_HAND],
            (),
            "the approver that writes reason 'AutoApproved'",
            " was approved 94 seconds ago with reason 'AutoApproved'; it is unknown whether that approver still runs",
        ),
        ([*BY_HAND, BY_OUR_APPROVER], (), OUR_APPROVER, "csr-1 of "),
        ([BY_OUR_APPROVER], {OUR_APPROVER}, None, ""),
        (
            [approved("Earlier"), approved("AutoApproved"), BY_OUR_APPROVER],
            {OUR_APPROVER},
            "the approver that writes reason 'AutoApproved'",
            "",
        ),
    ],
    ids=["by hand", "by somebody", "by ours", "ours is left out", "the newest of the others"],
)
def test_what_no_person_approved_an_approver_did_who_may_be_gone_since(
    csrs: list[CertificateSigningRequest], but: Collection[str], name: str | None, how: str
) -> None:
    found = last_approval(csrs, datetime(2026, 11, 24, 12, 0, 34, tzinfo=UTC), but)
    assert (found and found.name) == name
    assert found is None or (how in found.evidence and not found.running)


# What a Deployment and a Lease of our approver say: whether it decides, and if not, why.


SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
NO_PODS = "its Deployment has 0 replicas"
WELL = OurApprover(wanted=1, ready=1, leader="a", silent=SECOND)


@pytest.mark.parametrize(
    "found",
    [
        WELL,
        OurApprover(wanted=2, ready=1, leader="a", silent=59 * SECOND),
        # Started by hand: no Deployment, and it leads.
        OurApprover(wanted=0, ready=0, leader="a", silent=SECOND),
        OurApprover(wanted=0, ready=0, leader="operators-laptop_0123", silent=14 * SECOND),
        # Scaled to nothing, and its last pod is on its way out.
        OurApprover(wanted=0, ready=1, leader="kubevouch-approver-7d4b-x2x7k_0123", silent=SECOND),
        # A new version rolls out, and the old one leads still.
        OurApprover(wanted=1, ready=0, leader="a", silent=SECOND),
        # The API server's whole seconds make it look as if it was renewed in a moment.
        OurApprover(wanted=1, ready=1, leader="a", silent=-SECOND),
        # Its Deployment may be gone, and its pod runs on.
        OurApprover(1, 1, "kubevouch-approver-7d4b-x2x7k_0123", SECOND),
        # Between two leaders: one has given the Lease back, and the other takes it this moment.
        OurApprover(wanted=1, ready=1, leader="", silent=9 * SECOND),
    ],
)
def test_who_holds_the_lease_decides(found: OurApprover) -> None:
    assert found.decides
    assert found.why_not == ""


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (OurApprover(0, 0, "", None), NO_PODS),
        # The Lease was left behind by a pod that went with its Deployment, or by a process that nobody follows.
        (OurApprover(0, 0, "kubevouch-approver-7d4b9c6f5-x2x7k_0123", SECOND), NO_PODS),
        (OurApprover(0, 0, "operators-laptop_0123", 15 * SECOND), NO_PODS),
        (OurApprover(1, 0, "a", HOUR), "0 of 1 pods are ready"),
        (OurApprover(2, 0, "", SECOND), "0 of 2 pods are ready"),
        (OurApprover(1, 1, "", None), "its pods are ready, but none has ever been the leader"),
        (OurApprover(1, 1, "", 10 * SECOND), "its pods are ready, but none is the leader"),
        (
            OurApprover(1, 1, "a", 60 * SECOND),
            "its pods are ready, but none is the leader: the Lease was last renewed 60 seconds ago",
        ),
        (
            OurApprover(2, 2, "a", HOUR),
            "its pods are ready, but none is the leader: the Lease was last renewed 60 minutes ago",
        ),
    ],
)
def test_why_nobody_does(found: OurApprover, why: str) -> None:
    assert not found.decides
    assert found.why_not == why
