"""Whoever installs the approver, and whoever pins, with exactly the roles that are printed: they are enough, and no more."""

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.cli.program import Ran
from tests.e2e.approver.installed import clean
from tests.e2e.cluster import Cluster
from tests.e2e.told import csrs_of, ended, eventually, serving_requests
from tests.support.manifests import in_short, objects, rights

pytestmark = pytest.mark.long_on_the_bed

SPACE = "kubevouch-system"
RBAC = {"approver": "10-rbac.yaml", "exporter": "rbac.yaml"}
IMAGE, OTHER = ("registry.example.com/kubevouch@sha256:" + each * 32 for each in ("4f", "5e"))


def _asked(cluster: Cluster, user: str, since: datetime) -> tuple[set[tuple[str, str]], list[str]]:
    """What that user asked, as rights; and what was refused."""
    log = cluster.audit_of(user, since)
    refused = [f"{each.verb} {each.what} {each.name}" for each in log if each.code == 403]
    return {(each.verb, each.what) for each in log}, refused


@pytest.fixture(scope="module")
def healthy(cluster: Cluster) -> Cluster:
    """The approver's namespace can go only while the metrics API answers."""
    cluster.state("healthy")
    return cluster


@pytest.fixture
def gone_afterwards(healthy: Cluster) -> Iterator[Cluster]:
    cluster = healthy
    try:
        yield cluster
    finally:
        for name in (*(f"kubevouch-{each}-installer" for each in RBAC), "kubevouch-pinner"):
            cluster.kubectl("delete", "clusterrole", name, "--ignore-not-found")
            for space in ("kube-system", "default"):
                cluster.kubectl("delete", "role", name, "-n", space, "--ignore-not-found")
        clean(cluster)
        cluster.kubectl("delete", "namespace", SPACE, "--ignore-not-found", seconds=120)


def _pinned_certificates(cluster: Cluster) -> dict[str, list[str]]:
    """By node, the client certificates that its pin names."""
    found = cluster.get("configmaps", "-n", SPACE, "-l", "kubevouch.dev/holds=pins")["items"]
    pins = {node: json.loads(text) for each in found for node, text in each["data"].items()}
    return {node: pin.get("clientCertificates", []) for node, pin in pins.items()}


def test_a_pin_names_the_client_certificate_on_each_nodes_disk(gone_afterwards: Cluster) -> None:
    """All nodes in one command. Where a disk cannot be read, or nobody asks for it, the list stays as it was, and that is said."""
    cluster, (lost, *_) = gone_afterwards, gone_afterwards.workers
    cluster.kubectl("create", "namespace", SPACE)
    on_disks = {}
    for node in cluster.nodes:
        pem = node.read("/var/lib/kubelet/pki/kubelet-client-current.pem")
        leaf = x509.load_pem_x509_certificate(pem)
        on_disks[node.name] = [leaf.fingerprint(hashes.SHA256()).hex()]
    pin = ("approver", "pin", "--yes")
    without = cluster.kubevouch(*pin)
    assert (without.code, _pinned_certificates(cluster)) == (0, {name: [] for name in on_disks}), (
        without
    )
    assert "No client certificate is added" in " ".join(without.err.split())
    ran = cluster.kubevouch(*pin, *cluster.ssh_words())
    assert (ran.code, _pinned_certificates(cluster)) == (0, on_disks), ran
    lost.cut_ssh()
    try:
        again = cluster.kubevouch(*pin, lost.name, *cluster.ssh_words())
    finally:
        lost.mend()
    assert again.code == 3, again
    assert f"{lost.name}: cannot pin the client certificate: " in again.err, again
    assert cluster.kubevouch(*pin).code == 0
    assert _pinned_certificates(cluster) == on_disks


@pytest.mark.parametrize("server", RBAC)
def test_the_installers_printed_role_is_enough_and_no_more(
    gone_afterwards: Cluster, tmp_path: Path, server: str
) -> None:
    cluster, since = gone_afterwards, datetime.now(UTC)
    user = f"installer-{int(since.timestamp())}"
    kubeconfig = cluster.user(user, tmp_path)
    role = ended(cluster, 0, server, "install", "--print-role")
    cluster.bind(role.out, f"kubevouch-{server}-installer", user)

    def does(*words: str) -> Ran:
        ran = cluster.kubevouch(server, *words, kubeconfig=kubeconfig)
        assert ran.code in (0, 4), ran  # the image is nowhere: on the bed its pods are not ready
        return ran

    approver = server == "approver"
    install = (
        "install",
        "--yes",
        "--wait",
        "1s",
        *(("--new-nodes", "hold") if approver else ()),
        "--image",
    )
    does(*install, IMAGE, "--dry-run")
    does(*install, IMAGE)
    if approver:
        does(*install, IMAGE, "--enforce")
    does("upgrade", "--image", OTHER, "--yes", "--wait", "1s")
    does("remove", "--yes")
    if approver:
        does("remove", "--pins", "--yes")
    asked, refused = _asked(cluster, user, since)
    assert refused == []
    handed_on = in_short(rights(objects(RBAC[server], server=server)))
    unused = in_short(rights(yaml.safe_load_all(role.out))) - asked - handed_on
    # Two replicas are for two control planes; what an apply creates is a patch in the audit log.
    one_control_plane = {(verb, "poddisruptionbudgets") for verb in ("patch", "delete")}
    assert {each for each in unused if each[0] not in ("bind", "create")} <= one_control_plane


def test_whoever_lacks_a_right_of_the_approvers_cannot_hand_it_on(
    gone_afterwards: Cluster, tmp_path: Path
) -> None:
    """The roles hold what the approver's hold for a reason: RBAC refuses the installation without one of them."""
    cluster = gone_afterwards
    user = f"weak-installer-{int(datetime.now(UTC).timestamp())}"
    kubeconfig = cluster.user(user, tmp_path)
    printed = cluster.kubevouch("approver", "install", "--print-role").out
    weak = printed.replace("- signers\n", "- nothing\n")
    cluster.bind(weak, "kubevouch-approver-installer", user)
    words = ("approver", "install", "--image", IMAGE, "--new-nodes", "hold", "--yes")
    ran = cluster.kubevouch(*words, kubeconfig=kubeconfig)
    assert ran.code != 0
    assert "attempting to grant RBAC permissions not currently held" in " ".join(ran.err.split())
    found = cluster.kubectl("get", "clusterrole", "kubevouch-approver", check=False)
    assert found.returncode != 0


@pytest.fixture
def waiting(gone_afterwards: Cluster) -> Iterator[Cluster]:
    """Every kubelet waits for its certificate."""
    gone_afterwards.state("pending")
    yield gone_afterwards
    gone_afterwards.state("healthy")


def test_the_pinners_printed_role_is_enough_and_no_more(waiting: Cluster, tmp_path: Path) -> None:
    cluster, since = waiting, datetime.now(UTC)
    eventually(lambda: len(serving_requests(cluster)) >= len(cluster.nodes), "CSRs")
    install = ("install", "--new-nodes", "hold", "--no-pins", "--yes", "--wait", "1s", "--image")
    installed = cluster.kubevouch("approver", *install, IMAGE)
    assert installed.code in (0, 4), installed
    user = f"pinner-{int(since.timestamp())}"
    kubeconfig = cluster.user(user, tmp_path)
    role = ended(cluster, 0, "approver", "pin", "--print-role")
    cluster.bind(role.out, "kubevouch-pinner", user)
    node = cluster.workers[0].name
    csr = csrs_of(cluster, cluster.workers[0])[-1]["metadata"]["name"]
    codes = {
        ("pin", "--diff"): 1,
        ("pin", "--yes"): 0,
        ("pin", node, "--csr", csr, "--yes"): 0,
        ("pin", node, "--remove", "--yes"): 0,
    }
    said = ""
    for words, code in codes.items():
        ran = cluster.kubevouch("approver", *words, kubeconfig=kubeconfig)
        assert ran.code == code, (words, ran)
        said = ran.out
    [undo] = [line for line in said.splitlines() if line.startswith("UNDO")]
    _, *restoring = shlex.split(undo.removeprefix("UNDO"))
    ended(cluster, 0, *restoring, "--yes", kubeconfig=kubeconfig)
    asked, refused = _asked(cluster, user, since)
    assert refused == []
    assert in_short(rights(yaml.safe_load_all(role.out))) - asked == set()
