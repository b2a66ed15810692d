"""By hand, with what is pinned in the cluster: `csr approve --all` takes what passes and no more, `csr deny` the rest."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from .cluster import Cluster
from .hostile import Hostile, manifest
from .thief import Thief
from .told import (
    ended,
    eventually,
    names,
    serving_requests,
)

CLIENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"

pytestmark = pytest.mark.long_on_the_bed


@pytest.fixture
def pinned(cluster: Cluster) -> Iterator[Cluster]:
    """Every kubelet waits for a decision, and every node is pinned."""
    cluster.state("pending")
    cluster.kubectl("create", "namespace", "kubevouch-system")
    shards: dict[str, dict[str, str]] = {}
    for node in cluster.nodes:
        number = int(hashlib.sha256(node.name.encode()).hexdigest()[0], 16)
        pin = {"v": 1, "names": [node.name], "addresses": [node.address], "by": "the test"}
        shards.setdefault(f"kubevouch-pins-{number}", {})[node.name] = json.dumps(pin)
    for name, data in shards.items():
        labels = {"app.kubernetes.io/part-of": "kubevouch", "kubevouch.dev/holds": "pins"}
        metadata = {"name": name, "namespace": "kubevouch-system", "labels": labels}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        cluster.kubectl("create", "-f", "-", stdin=json.dumps(body))
    try:
        yield cluster
    finally:
        cluster.kubectl("delete", "namespace", "kubevouch-system")


def test_what_passes_is_approved_and_what_is_held_can_be_denied(
    pinned: Cluster, tmp_path: Path
) -> None:
    cluster, thief = pinned, pinned.workers[0]
    request = Hostile("", addresses=(thief.address, pinned.workers[1].address))
    pem = request.pem(thief.name, thief.address)
    body = manifest("hostile-by-hand", pem, request.usages)
    kubeconfig = cluster.node_kubeconfig(thief, tmp_path)
    cluster.kubectl("create", "-f", "-", stdin=body, kubeconfig=kubeconfig)
    try:
        ran = ended(cluster, 1, "csr", "approve", "--all", "--yes")
        honest = [node for node in cluster.nodes if node.name != thief.name]
        assert _approved_nodes(cluster) == names(honest), ran
        assert "foreign-addresses" in ran.out

        words = (
            "csr",
            "deny",
            "hostile-by-hand",
            "--yes",
            "--reason",
            "the other worker's address",
        )
        ended(cluster, 0, *words)
        assert "Denied" in cluster.kubectl("get", "csr", "hostile-by-hand", "--no-headers").stdout
        assert cluster.kubevouch(*words).code == 1
        assert cluster.kubevouch("csr", "approve", "hostile-by-hand", "--yes").code == 1
    finally:
        cluster.kubectl("delete", "csr", "hostile-by-hand")

    # The kubelet's own CSR is its newest again.
    again = ended(cluster, 0, "csr", "approve", "--all", "--yes")
    assert f"{thief.name}, {thief.address}" in again.out
    assert _approved_nodes(cluster) == names(cluster.nodes)
    eventually(lambda: cluster.kubevouch("verify").code == 0, "what was approved on the wire")
    nothing = cluster.kubevouch("csr", "approve", "--all")
    assert (nothing.code, nothing.out.count("\n")) == (0, 1), nothing


def test_the_list_that_was_read_proves_a_thief_and_one_of_a_node_is_approved(
    cluster: Cluster, tmp_path: Path
) -> None:
    """No approver is there. The thief's CSR is like the kubelet's own, but for the credential."""
    cluster.state("pending")
    node = cluster.workers[0]
    allow = ("--allow", f"{node.name}={node.address}", "--allow", f"{node.name}={node.name}")
    thief = Thief.of(cluster, node, tmp_path)
    pem = Hostile("").pem(node.name, node.address)
    asked = manifest("thief-serving", pem, ("digital signature", "server auth"))
    cluster.kubectl("create", "-f", "-", stdin=asked, kubeconfig=thief.kubeconfig)
    try:
        for words in (("explain", "thief-serving"), ("approve", "thief-serving", "--yes")):
            ran = ended(cluster, 1, "csr", *words, *allow)
            assert "BorrowedIdentity" in ran.out, ran
        ran = ended(cluster, 1, "csr", "approve", "--all", "--yes", *allow)
        assert node.name in _approved_nodes(cluster), ran
        held = [e for e in serving_requests(cluster) if e["metadata"]["name"] == "thief-serving"]  # type: ignore[index]
        assert [each["status"] for each in held] == [{}]

        # Once nobody can tell any more who borrowed it, it is one of two, and the operator says which.
        cluster.state("pending")
        cluster.kubectl("create", "-f", "-", stdin=asked, kubeconfig=thief.kubeconfig, check=False)
        signer = "spec.signerName=kubernetes.io/kube-apiserver-client-kubelet"
        cluster.kubectl("delete", "csr", "--field-selector", signer)
        user = f"system:node:{node.name}"
        own = next(
            e["metadata"]["name"]  # type: ignore[index]
            for e in serving_requests(cluster)
            if user in str(e["spec"]) and not e["status"] and "thief" not in str(e["metadata"])
        )
        for name in (str(own), "thief-serving"):
            ran = ended(cluster, 1, "csr", "approve", name, "--yes", *allow)
            assert "UnknownCredential" in ran.out, ran
        on_disk = x509.load_pem_x509_certificate(node.read(CLIENT))
        told = on_disk.fingerprint(hashes.SHA256()).hex(":").upper()
        ended(cluster, 0, "csr", "approve", str(own), "--yes", "--credential", told, *allow)
    finally:
        cluster.kubectl("delete", "csr", "thief-serving", "--ignore-not-found")
        Thief.gone(cluster)


def _approved_nodes(cluster: Cluster) -> list[str]:
    """The nodes with a CSR that is approved and whose certificate is issued."""

    def waiting() -> list[object]:
        return [each for each in serving_requests(cluster) if _is_approved(each, issued=False)]

    eventually(lambda: not waiting(), "the certificates of what is approved")
    found = [each for each in serving_requests(cluster) if _is_approved(each, issued=True)]
    return sorted({str(each["spec"]["username"]).removeprefix("system:node:") for each in found})  # type: ignore[index]


def _is_approved(found: dict[str, object], *, issued: bool) -> bool:
    status = found["status"]
    assert isinstance(status, dict)
    approved = any(each["type"] == "Approved" for each in status.get("conditions", []))
    return approved and bool(status.get("certificate")) is issued
