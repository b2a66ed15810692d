"""The approver as it is installed: with its account's rights it approves what waits, and it asks for nothing else.

It runs beside the cluster with the token of its account here: a lab runs no containers.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.told import eventually
from tests.support.manifests import objects

SPACE = "kubevouch-system"
ACCOUNT = f"system:serviceaccount:{SPACE}:kubevouch-approver"
IMAGE = "registry.example.com/kubevouch@sha256:" + "4f" * 32
PATIENT = 180.0
INSTALL = ("approver", "install", "--image", IMAGE, "--new-nodes", "hold", "--yes")


@pytest.fixture
def installed(cluster: Cluster) -> Iterator[Cluster]:
    """Every kubelet waits for its certificate, and the approver's manifests are there. Its pods run nothing."""
    cluster.state("pending")
    ran = cluster.kubevouch(*INSTALL, "--wait", "20s")
    assert ran.code in (0, 4), ran  # the image is nowhere: on a lab pods are ready all the same
    try:
        yield cluster
    finally:
        gone = cluster.kubevouch("approver", "remove", "--pins", "--yes")
        assert gone.code == 0, gone


def _role() -> set[tuple[str, str]]:
    """(verb, resource) of every rule in the manifests, and of the two roles of Kubernetes that are bound."""
    allowed = {
        (verb, resource)
        for role in objects("10-rbac.yaml")
        for rule in role.get("rules", [])
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if resource != "signers"  # asked within the API server, in no audit log
    }
    return allowed | {
        ("get", "configmaps"),
        ("create", "tokenreviews"),
        ("create", "subjectaccessreviews"),
    }


def _token(cluster: Cluster, folder: Path) -> Path:
    token = cluster.kubectl("-n", SPACE, "create", "token", "kubevouch-approver").stdout.strip()
    return cluster.kubeconfig_with(folder, "approver", f"--token={token}")


def test_with_its_own_rights_it_approves_what_waits_and_asks_for_nothing_else(
    installed: Cluster, tmp_path: Path
) -> None:
    kubeconfig, since = _token(installed, tmp_path), datetime.now(UTC)
    words = ("approver", "run", "--kubeconfig", str(kubeconfig), "-n", SPACE)
    running = installed.start_kubevouch(*words, "--bind-address", "127.0.0.1", "--secure-port", "0")
    try:
        eventually(
            lambda: all(node.handshake().outcome == "ok" for node in installed.nodes),
            "every kubelet serves its certificate",
            PATIENT,
        )
        # An Event of each approval comes behind it.
        eventually(
            lambda: "KubeletServingApproved" in _events(installed), "Events of approvals", PATIENT
        )
    finally:
        running.interrupt()
        ended = running.finish()
    assert "403" not in ended.out + ended.err, ended
    asked = {(each.verb, each.what) for each in installed.audit(since) if each.user_name == ACCOUNT}
    assert asked - _role() == set()
    # Not in this test: nobody reads its metrics; nothing new was admitted, and no client certificate rotated.
    unused = {
        ("patch", "configmaps"),
        ("create", "tokenreviews"),
        ("create", "subjectaccessreviews"),
    }
    assert _role() - asked <= unused


def _events(cluster: Cluster) -> str:
    words = ("-n", "default", "get", "events", "-o", "jsonpath={.items[*].reason}")
    return cluster.kubectl(*words).stdout


def test_doctor_and_verify_know_it_as_any_other_approver(installed: Cluster) -> None:
    ready = installed.kubevouch("approver", "upgrade", "--image", IMAGE, "--yes", "--wait", "0s")
    if ready.code:
        pytest.skip("its pods are not ready: the image is nowhere")
    told = installed.kubevouch("doctor").out
    assert not re.search(r"\bKV4(01|11)\b", told), told


def test_a_wrong_right_is_not_given(installed: Cluster) -> None:
    """What an approver has no business with, asked as its account."""
    for words in (
        ("get", "secrets", "-A"),
        ("patch", "configmaps/kubevouch-pins-1", "-n", SPACE),
        ("create", "configmaps", "-n", SPACE),
        ("patch", "nodes"),
        ("create", "certificatesigningrequests"),
        ("delete", "certificatesigningrequests"),
        ("update", "certificatesigningrequests", "--subresource=status"),
        ("approve", "signers.certificates.k8s.io/kubernetes.io/kube-apiserver-client"),
        ("sign", "signers.certificates.k8s.io/kubernetes.io/kubelet-serving"),
        ("get", "nodes", "--subresource=proxy"),
    ):
        ran = installed.kubectl("auth", "can-i", *words, f"--as={ACCOUNT}", check=False)
        assert ran.stdout.strip() == "no", (words, ran.stdout, ran.stderr)


def test_fix_pins_what_its_plan_proved(cluster: Cluster, tmp_path: Path) -> None:
    cluster.state("expired")
    ran = cluster.kubevouch(*INSTALL, "--no-pins", "--wait", "20s")
    assert ran.code in (0, 4), ran
    try:
        assert cluster.kubevouch("approver", "pin", "--diff").code == 1
        plan = str(tmp_path / "plan.json")
        made = cluster.kubevouch("fix", "--plan", plan, *cluster.ssh_words())
        assert made.code == 0, made
        applied = cluster.kubevouch("fix", "--apply", plan, "--yes")
        assert applied.code == 0, applied
        assert "pin 4 node(s) for the approver" in applied.err
        differs = cluster.kubevouch("approver", "pin", "--diff")
        assert differs.code == 0, differs
        assert cluster.kubevouch("approver", "selftest").code == 0
    finally:
        cluster.kubevouch("approver", "remove", "--pins", "--yes")
