"""The reading verbs, run by a user of its own with exactly the printed role: what they ask, and what they leave alone."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from .cluster import Cluster
from .told import (
    csrs_of,
    ended,
    eventually,
    kubelet_files,
    serving_requests,
)

ALLOWED = {"get", "list", "watch"}
REVIEWS = {"selfsubjectaccessreviews", "subjectaccessreviews"}


def test_reading_verbs_read_and_do_nothing_else(cluster: Cluster, tmp_path: Path) -> None:
    cluster.state("pending")
    now = datetime.now(UTC)
    user = f"reader-{int(now.timestamp())}"
    kubeconfig = cluster.user(user, tmp_path)
    role = ended(cluster, 0, "doctor", "--print-role")
    cluster.bind(role.out, "kubevouch-reader", user)
    before = {node.name: kubelet_files(node) for node in cluster.nodes}
    requests = serving_requests(cluster)
    node, plan = cluster.workers[0], tmp_path / "plan.json"
    # A worker's: the control plane's address is also the API server's, and wants a pin.
    name = csrs_of(cluster, node)[0]["metadata"]["name"]
    codes = {
        ("doctor",): 1,
        ("certs",): 1,
        ("probe", node.name): 1,
        ("probe", node.address): 1,
        ("csr", "list"): 0,
        ("csr", "explain", name): 1,
        ("csr", "explain", name, "--allow", f"{node.name}={node.address}"): 0,
        ("plan", "-o", str(plan), *cluster.ssh_words()): 0,
        ("verify",): 1,
    }
    since = datetime.now(UTC)
    for words, code in codes.items():
        ran = cluster.kubevouch(*words, kubeconfig=kubeconfig)
        assert ran.code == code, (words, ran)
        assert "KV901" not in ran.out, (words, ran)

    asked = cluster.audit_of(user, since)
    assert len(asked) > 50
    for entry in asked:
        read = entry.verb in ALLOWED
        review = entry.verb == "create" and entry.what in REVIEWS
        assert read or review, entry
        assert "secrets" not in entry.what, entry
        assert "proxy" not in entry.what, entry
    assert {node.name: kubelet_files(node) for node in cluster.nodes} == before
    assert serving_requests(cluster) == requests


@pytest.mark.long_on_the_bed
def test_no_credential_reaches_a_kubelet(cluster: Cluster, tmp_path: Path) -> None:
    """A kubelet asks the API server about whoever shows it a token: with metrics-server gone nobody does."""
    cluster.state("healthy")
    scale = ("scale", "deployment/metrics-server", "-n", "kube-system")
    cluster.kubectl(*scale, "--replicas=0")
    try:
        eventually(lambda: not _metrics_servers(cluster), "the end of metrics-server")
        since = datetime.now(UTC)
        assert cluster.kubevouch("doctor").code == 1
        assert cluster.kubevouch("probe", cluster.workers[0].name).code == 0
        ended(cluster, 0, "plan", "-o", str(tmp_path / "p.json"), *cluster.ssh_words())
        for entry in cluster.audit(since):
            assert not (entry.what == "tokenreviews" and entry.user_name.startswith("system:node:"))
    finally:
        cluster.kubectl(*scale, "--replicas=3")


def _metrics_servers(cluster: Cluster) -> str:
    words = ("get", "pods", "-n", "kube-system", "-l", "k8s-app=metrics-server", "--no-headers")
    return cluster.kubectl(*words).stdout
