"""The approver with the very rights of the shipped manifests: what it approves, what it holds, and what it never writes."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from .cluster import Audited, Cluster, Node, Running
from .hostile import Hostile, manifest
from .thief import Thief
from .told import eventually, serving_requests

DEPLOY = Path(__file__).parents[2] / "deploy" / "approver"
SPACE = "kubevouch-system"
ACCOUNT = f"system:serviceaccount:{SPACE}:kubevouch-approver"
SERVER = ("digital signature", "server auth")


@pytest.fixture(scope="module")
def installed(cluster: Cluster, without_pods: None) -> Iterator[Cluster]:
    """What `deploy/approver` has, but its pod: the program runs beside the test, with the pod's account."""
    parts = [DEPLOY / name for name in ("00-namespace.yaml", "10-rbac.yaml", "20-recorded.yaml")]
    for part in parts:
        cluster.kubectl("apply", "-f", str(part))
    yield cluster
    for part in reversed(parts):
        cluster.kubectl("delete", "-f", str(part), "--ignore-not-found", seconds=120)


def list_in_the_inventory(cluster: Cluster, nodes: tuple[Node, ...]) -> None:
    """As an operator who knows the machines would write it: their names and addresses by now."""
    found = json.loads(cluster.kubectl("get", "nodes", "-o", "json").stdout)["items"]
    wanted, listed = {node.name for node in nodes}, {}
    for each in found:
        if (name := each["metadata"]["name"]) in wanted:
            addresses = each["status"]["addresses"]
            listed[name] = {
                "names": sorted({a["address"] for a in addresses if a["type"] == "Hostname"}),
                "addresses": sorted({a["address"] for a in addresses if a["type"] == "InternalIP"}),
            }
    text = json.dumps({"schemaVersion": "kubevouch.inventory/1", "nodes": listed})
    labels = {"app.kubernetes.io/part-of": "kubevouch", "kubevouch.dev/holds": "inventory"}
    thing = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "kubevouch-inventory", "namespace": SPACE, "labels": labels},
        "data": {"inventory.yaml": text},
    }
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(thing))


def without_inventory(cluster: Cluster) -> None:
    words = ("delete", "configmap", "kubevouch-inventory", "-n", SPACE, "--ignore-not-found")
    cluster.kubectl(*words)


@contextmanager
def approving(cluster: Cluster, *words: str) -> Iterator[Running]:
    """The program, until the block ends."""
    running = cluster.start_kubevouch(
        "approver",
        "run",
        f"--namespace={SPACE}",
        "--bind-address=127.0.0.1",
        "--secure-port=0",
        *words,
    )
    try:
        yield running
    finally:
        running.kill()


def account(cluster: Cluster, folder: Path) -> str:
    """The words with which the program is the pod's account."""
    words = ("create", "token", "kubevouch-approver", "-n", SPACE, "--duration=2h")
    token = cluster.kubectl(*words).stdout.strip()
    return f"--kubeconfig={cluster.kubeconfig_with(folder, 'approver', f'--token={token}')}"


def serves(cluster: Cluster, nodes: tuple[Node, ...]) -> bool:
    return all(node.handshake().outcome == "ok" for node in nodes)


def status(cluster: Cluster, name: str) -> object:
    found = [e for e in serving_requests(cluster) if e["metadata"]["name"] == name]  # type: ignore[index]
    return found[0]["status"] if found else None


def asked_by_the_account(cluster: Cluster, since: datetime) -> list[Audited]:
    return [each for each in cluster.audit(since) if each.user_name == ACCOUNT]


def test_every_node_of_a_dark_cluster_gets_what_the_inventory_lists(
    installed: Cluster, tmp_path: Path, now: datetime
) -> None:
    """Also the control plane, which has the API server's address by the operator's word."""
    cluster = installed
    cluster.state("pending")
    list_in_the_inventory(cluster, cluster.nodes)
    with approving(cluster, account(cluster, tmp_path)) as approver:
        approver.wait_for("Began to lead")
        eventually(lambda: serves(cluster, cluster.nodes), "every node serves again")
        ran = cluster.kubevouch("verify", "--wait", "2m")
        assert ran.code == 0, ran
        approver.end()
        assert approver.finish(30).code == 0
    approved = [
        c for e in serving_requests(cluster) for c in _conditions(e) if c["type"] != "Failed"
    ]
    assert {c["reason"] for c in approved} == {"KubevouchApprove"}
    assert {c["message"] for c in approved} == {
        "kubevouch approver: every rule passed; names and addresses: listed in the inventory"
    }
    lease = json.loads(
        cluster.kubectl("get", "lease", "kubevouch-approver", "-n", SPACE, "-o", "json").stdout
    )
    assert lease["spec"]["holderIdentity"] == ""
    assert _outside_its_role(asked_by_the_account(cluster, now)) == set()


def _conditions(request: dict[str, object]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = request["status"].get("conditions", [])  # type: ignore[attr-defined]
    return found


def _outside_its_role(asked: list[Audited]) -> set[tuple[str, str]]:
    """What it asked for that no rule of the manifests is about."""
    granted = {
        ("create", "tokenreviews"),
        ("create", "subjectaccessreviews"),
        # extension-apiserver-authentication-reader
        ("get", "configmaps"),
    }
    for each in yaml.safe_load_all((DEPLOY / "10-rbac.yaml").read_text()):
        for rule in each.get("rules") or []:
            granted |= {(verb, what) for verb in rule["verbs"] for what in rule["resources"]}
    return {(each.verb, each.what) for each in asked} - granted


def test_a_rotation_is_approved_by_the_certificate_that_is_served(
    installed: Cluster, tmp_path: Path
) -> None:
    """Nothing is written down for these nodes: each proves itself with the certificate that it has."""
    cluster = installed
    if not cluster.scenario("renewal-due"):
        pytest.skip("this cluster cannot be brought there")
    without_inventory(cluster)
    before = {node.name: node.handshake().leaf for node in cluster.workers}
    with approving(cluster, account(cluster, tmp_path)) as approver:
        approver.wait_for("Began to lead")

        def renewed() -> bool:
            return all(n.handshake().leaf not in ("", b"", before[n.name]) for n in cluster.workers)

        eventually(renewed, "every worker serves a new certificate")
        said = approver.wait_for("by the certificate that it serves")
        # The control plane's address is the API server's: only the operator's word gives it to a node.
        assert "reserved-addresses" in said


def test_a_stolen_identity_is_told_from_the_nodes_own(installed: Cluster, tmp_path: Path) -> None:
    cluster, node = installed, installed.workers[0]
    cluster.state("pending")
    list_in_the_inventory(cluster, cluster.nodes)
    try:
        with approving(cluster, account(cluster, tmp_path)) as approver:
            approver.wait_for("Began to lead")
            eventually(lambda: serves(cluster, cluster.nodes), "every node serves again")
            thief = Thief.of(cluster, node, tmp_path)
            pem = Hostile("").pem(node.name, node.address)
            asked = manifest("thief-serving", pem, SERVER)
            cluster.kubectl("create", "-f", "-", stdin=asked, kubeconfig=thief.kubeconfig)
            said = approver.wait_for("BorrowedIdentity")
            assert "thief-serving" in said
            told = eventually(lambda: _held(cluster, "thief-serving"), "an Event about the CSR")
            assert "client-standing (BorrowedIdentity)" in told
        assert not status(cluster, "thief-serving")
        # Whoever is started next has not forgotten it.
        with approving(cluster, account(cluster, tmp_path)) as approver:
            approver.wait_for("BorrowedIdentity")
        assert not status(cluster, "thief-serving")
    finally:
        cluster.kubectl("delete", "csr", "thief-serving", "--ignore-not-found")
        Thief.gone(cluster)


def _held(cluster: Cluster, name: str) -> str:
    words = ("get", "events", "-n", "default", "--field-selector", f"involvedObject.name={name}")
    found = json.loads(cluster.kubectl(*words, "-o", "json").stdout)["items"]
    return " ".join(each["message"] for each in found if each["reason"] == "KubeletServingHeld")


def test_a_node_that_lies_about_its_addresses_gets_nothing(
    installed: Cluster, tmp_path: Path
) -> None:
    """A worker's own credential, and the address of another node, or the API server's, besides its own."""
    cluster, node = installed, installed.workers[0]
    cluster.state("pending")
    list_in_the_inventory(cluster, cluster.nodes)
    kubeconfig = cluster.node_kubeconfig(node, tmp_path)
    try:
        with approving(cluster, account(cluster, tmp_path)) as approver:
            approver.wait_for("Began to lead")
            for name, victim in (("liar-1", cluster.workers[1]), ("liar-2", cluster.master)):
                wanted = Hostile("", addresses=(node.address, victim.address))
                asked = manifest(name, wanted.pem(node.name, node.address), SERVER)
                cluster.kubectl("create", "-f", "-", stdin=asked, kubeconfig=kubeconfig)
                eventually(lambda n=name: _held(cluster, n), f"an Event about {name}")  # type: ignore[misc]
                assert not status(cluster, name)
    finally:
        cluster.kubectl("delete", "csr", "liar-1", "liar-2", "--ignore-not-found")


def test_a_leader_that_was_stopped_past_its_lease_writes_nothing_when_it_goes_on(
    installed: Cluster, tmp_path: Path
) -> None:
    cluster = installed
    list_in_the_inventory(cluster, cluster.nodes)
    # Another user, so that the audit log tells the two apart.
    with approving(cluster, account(cluster, tmp_path)) as first:
        first.wait_for("Began to lead")
        with approving(cluster) as second:
            second.wait_for("Listed everything")
            first.stop()
            stopped_at = datetime.now(UTC)
            cluster.state("pending")
            second.wait_for("Began to lead")
            eventually(lambda: serves(cluster, cluster.nodes), "every node serves again")
            first.carry_on()
            first.wait_for("Does not lead")
            time.sleep(3)  # one retry of the election, and anything it might have wanted to write
        wrote = {
            (each.verb, each.what)
            for each in asked_by_the_account(cluster, stopped_at)
            if each.verb not in {"get", "list", "watch"}
        }
    # Of a review somebody may ask it; a conflict about the Lease is how it learns that it lost.
    assert wrote <= {("update", "leases")}
