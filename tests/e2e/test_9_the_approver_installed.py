"""The approver as it is installed: with its account's rights it approves what waits, and it asks for nothing else."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.approver.installed import GRANTED, InstalledApprover, clean_up
from tests.e2e.cluster import Cluster
from tests.e2e.hostile import SERVER, manifest
from tests.e2e.told import (
    ended,
    eventually,
    serving_requests,
)
from tests.support.csr_template import CsrTemplate, new_csr

SPACE = "kubevouch-system"
PATIENT = 180.0
INSTALL = ("approver", "install", "--new-nodes", "hold", "--yes", "--image")


@pytest.fixture
def installed(cluster: Cluster, image_reference: str, now: datetime) -> Iterator[Cluster]:
    """Every kubelet waits for its certificate, and somebody installs the approver. now: before that."""
    cluster.state("pending")
    ended(cluster, 0, *INSTALL, image_reference)
    try:
        yield cluster
    finally:
        clean_up(cluster)


def _role() -> set[tuple[str, str]]:
    """(verb, resource) of every rule in the manifests, and of the two roles of Kubernetes that are bound."""
    # signers: asked within the API server, in no audit log.
    return {each for each in GRANTED if each[1] != "signers"}


def _all_serve(cluster: Cluster) -> None:
    eventually(
        lambda: all(node.handshake().outcome == "ok" for node in cluster.nodes),
        "every kubelet serves its certificate",
        PATIENT,
    )


@pytest.mark.long_on_the_bed
def test_with_its_own_rights_it_approves_what_waits_and_asks_for_nothing_else(
    installed: Cluster, now: datetime
) -> None:
    _all_serve(installed)
    # The last thing that it does is to give the Lease back.
    approver = InstalledApprover(installed)
    approver.scale(0)
    eventually(lambda: approver.holder() == "", "that it gives the Lease back")
    log = approver.requests(now)
    assert [each for each in log if each.code == 403] == []
    asked = {(each.verb, each.what) for each in log}
    assert asked - _role() == set()
    # Not in this test: nobody reads its metrics; nothing new was admitted, and no client certificate rotated. A list is asked
    # for only where a watch cannot begin with it.
    unused = {
        *((verb, what) for verb, what in _role() if verb == "list"),
        ("patch", "configmaps"),
        ("create", "tokenreviews"),
        ("create", "subjectaccessreviews"),
    }
    assert _role() - asked <= unused


SERVING, OTHER = "kubernetes.io/kubelet-serving", "example.com/something"
NODE = (
    "--as=system:node:k8s-nowhere",
    "--as-group=system:nodes",
    "--as-group=system:authenticated",
)


def _csr(name: str, signer: str) -> str:
    """A CSR of a node that is not there: nobody but this test decides about it."""
    made = new_csr(CsrTemplate("system:node:k8s-nowhere", names=("k8s-nowhere",)))
    return manifest(name, made, SERVER, signer)


@pytest.mark.long
def test_enforced_policies_let_nodes_ask_and_the_listed_decide(
    installed: Cluster, image_reference: str, pytestconfig: pytest.Config
) -> None:
    """Asked as others by the operator, who may be anybody; a lab's API server evaluates no policy."""
    if pytestconfig.getoption("--cluster") == "lab":
        pytest.skip("a lab knows no CEL")
    words = ("--enforce", "--may-approve-group", "Platform Admins", "--wait", "0s")
    assert installed.kubevouch(*INSTALL, image_reference, *words).code in (0, 4)
    strangers = ("--as=stranger", "--as-group=cluster-admins-of-ours")
    platform = ("--as=pat", "--as-group=Platform Admins")
    binding = "kubevouch-test-everything"
    users = ("--user=stranger", "--user=pat", "--user=system:node:k8s-nowhere")
    installed.kubectl(
        "create", "clusterrolebinding", binding, "--clusterrole=cluster-admin", *users
    )

    def made(name: str, signer: str, *as_whom: str) -> str:
        words = ("create", "-f", "-", *as_whom)
        ran = installed.kubectl(*words, stdin=_csr(name, signer), check=False)
        return ran.stdout + ran.stderr

    def decided(verb: str, name: str, *as_whom: str) -> str:
        ran = installed.kubectl("certificate", verb, name, *as_whom, check=False)
        return ran.stdout + ran.stderr

    def tried(name: str, *as_whom: str) -> str:
        """An approval in a dry run, which leaves the CSR as it is."""
        approved = {"type": "Approved", "status": "True", "reason": "Test", "message": "Test"}
        change = json.dumps({"status": {"conditions": [approved]}})
        words = ("patch", "csr", name, "--subresource=approval", "--type=merge", "-p", change)
        ran = installed.kubectl(*words, "--dry-run=server", *as_whom, check=False)
        return ran.stderr if "denied request" in ran.stderr else ""

    try:
        assert "created" in made("kv-1", SERVING, *NODE)
        # A policy and its parameters are in force a moment after they are written.
        eventually(lambda: tried("kv-1", *strangers), "the policy is in force", PATIENT)
        assert "only a node makes a CSR" in made("kv-0", SERVING, *strangers)
        assert "created" in made("kv-2", OTHER, *strangers)
        for verb in ("approve", "deny"):
            assert "is not among those who may decide" in decided(verb, "kv-1", *strangers)
        assert "kv-2 approved" in decided("approve", "kv-2", *strangers)
        assert "kv-1 approved" in decided("approve", "kv-1", *platform)
    finally:
        installed.kubectl("delete", "clusterrolebinding", binding, check=False)
        installed.kubectl("delete", "csr", "kv-0", "kv-1", "kv-2", check=False)


def _serving_since(cluster: Cluster, since: datetime) -> list[tuple[str, str]]:
    """(reason, message) of what was decided about CSRs that were made since then."""
    stamp = f"{since:%Y-%m-%dT%H:%M:%SZ}"
    return [
        (each["reason"], each["message"])
        for csr in serving_requests(cluster)
        if str(csr["metadata"]["creationTimestamp"]) >= stamp
        for each in csr["status"].get("conditions", [])
    ]


@pytest.fixture
def nobody_pinned(cluster: Cluster, image_reference: str) -> Iterator[Cluster]:
    """Kubelets sign their own certificates, the approver runs as pods, and no node is pinned."""
    cluster.state("expired")
    ended(cluster, 0, *INSTALL, image_reference, "--no-pins")
    try:
        yield cluster
    finally:
        clean_up(cluster)


@pytest.mark.long_on_the_bed
def test_apply_pins_what_its_plan_proved_and_the_approver_approves(
    nobody_pinned: Cluster, tmp_path: Path, now: datetime
) -> None:
    cluster = nobody_pinned
    assert cluster.kubevouch("approver", "pin", "--diff").code == 1
    plan = str(tmp_path / "plan.json")
    made = ended(cluster, 0, "plan", "-o", plan, *cluster.ssh_words())
    assert "Pins     written for the approver before any change: " in made.out
    assert "Notice   no approver runs here" not in made.out
    applied = ended(cluster, 0, "apply", plan, "--yes", "--soak", "1s")
    assert "pin 4 nodes for the approver" in applied.err
    assert "The approver has 20 s to approve each CSR" in applied.err
    assert "did not approve the CSR" not in applied.err, applied
    assert not re.search(r"\bKV4(09|11)\b", applied.out), applied
    decided = _serving_since(cluster, now)
    assert len(decided) >= 4
    for reason, message in decided:
        assert reason == "KubevouchApprove"
        assert message.startswith("kubevouch approver: every rule passed; "), decided
    ended(cluster, 0, "approver", "pin", "--diff")


@pytest.mark.long_on_the_bed
def test_where_the_approver_holds_what_apply_has_proven_apply_waits_and_says_so(
    nobody_pinned: Cluster, tmp_path: Path
) -> None:
    """Somebody pinned another address: that stays as it is, so the approver holds the CSR."""
    cluster, node = nobody_pinned, nobody_pinned.workers[0]
    assert cluster.kubevouch("approver", "pin", node.name, "--yes").code == 0
    words = ("get", "configmaps", "-n", SPACE, "-l", "kubevouch.dev/holds=pins", "-o", "json")
    pins = cluster.kubectl(*words).stdout
    assert node.address in pins
    cluster.kubectl("replace", "-f", "-", stdin=pins.replace(node.address, "192.0.2.99"))
    plan = str(tmp_path / "plan.json")
    ended(cluster, 0, "plan", "-o", plan, "--node", node.name, *cluster.ssh_words())
    applied = ended(cluster, 0, "apply", plan, "--yes", "--soak", "1s")
    assert "pinned for the approver" not in applied.err
    assert "approved by this run: the approver did not approve the CSR within 20 s" in applied.err
    assert node.handshake().outcome == "ok"
