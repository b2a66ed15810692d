"""By hand, where no approver is: `csr approve` takes what passes and no more, and `csr deny` the rest."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from .cluster import Cluster
from .hostile import SERVER, Hostile, manifest
from .thief import Thief
from .told import (
    ended,
    eventually,
    serving_requests,
)

CLIENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"

pytestmark = pytest.mark.long_on_the_bed


def test_the_list_that_was_read_proves_a_thief_and_one_of_a_node_is_approved(
    cluster: Cluster, tmp_path: Path
) -> None:
    """No approver is there. The thief's CSR is like the kubelet's own, but for the credential."""
    cluster.state("pending")
    node = cluster.workers[0]
    allow = ("--allow", f"{node.name}={node.address}", "--allow", f"{node.name}={node.name}")
    thief = Thief.of(cluster, node, tmp_path)
    pem = Hostile("").pem(node.name, node.address)
    asked = manifest("thief-serving", pem, SERVER)
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
        ended(cluster, 0, "csr", "deny", "thief-serving", "--yes", "--reason", "a thief's")
        assert "Denied" in cluster.kubectl("get", "csr", "thief-serving", "--no-headers").stdout
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
