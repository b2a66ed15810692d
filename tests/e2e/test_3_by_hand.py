"""By hand, where no approver is: `csr approve` takes what passes and no more, and `csr deny` the rest."""

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from .cluster import Cluster
from .hostile import Hostile, ask
from .thief import Thief
from .told import csrs_of, ended, eventually, is_approved, serving_requests, status_of_csr

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
    ask(cluster, "thief-serving", pem, kubeconfig=thief.kubeconfig)
    try:
        for words in (("explain", "thief-serving"), ("approve", "thief-serving", "--yes")):
            ran = ended(cluster, 1, "csr", *words, *allow)
            assert "BorrowedIdentity" in ran.out, ran
        ran = ended(cluster, 1, "csr", "approve", "--all", "--yes", *allow)
        assert node.name in _approved_nodes(cluster), ran
        assert status_of_csr(cluster, "thief-serving") == {}

        # Once nobody can tell any more who borrowed it, it is one of two, and the operator says which.
        cluster.state("pending")
        ask(cluster, "thief-serving", pem, kubeconfig=thief.kubeconfig, check=False)
        signer = "spec.signerName=kubernetes.io/kube-apiserver-client-kubelet"
        cluster.kubectl("delete", "csr", "--field-selector", signer)
        waits = [each["metadata"]["name"] for each in csrs_of(cluster, node) if not each["status"]]
        own = next(each for each in waits if "thief" not in each)
        for name in (own, "thief-serving"):
            ran = ended(cluster, 1, "csr", "approve", name, "--yes", *allow)
            assert "UnknownCredential" in ran.out, ran
        on_disk = x509.load_pem_x509_certificate(node.read(CLIENT))
        told = on_disk.fingerprint(hashes.SHA256()).hex(":").upper()
        ended(cluster, 0, "csr", "approve", own, "--yes", "--credential", told, *allow)
        ended(cluster, 0, "csr", "deny", "thief-serving", "--yes", "--reason", "a thief's")
        assert "Denied" in cluster.kubectl("get", "csr", "thief-serving", "--no-headers").stdout
    finally:
        cluster.kubectl("delete", "csr", "thief-serving", "--ignore-not-found")
        Thief.gone(cluster)


def _approved_nodes(cluster: Cluster) -> list[str]:
    """The nodes with a CSR that is approved and whose certificate is issued."""

    def approved() -> list[Any]:
        return [each for each in serving_requests(cluster) if is_approved(each)]

    def all_issued() -> bool:
        return all(each["status"].get("certificate") for each in approved())

    eventually(all_issued, "the certificates of what is approved")
    return [each["spec"]["username"].removeprefix("system:node:") for each in approved()]
