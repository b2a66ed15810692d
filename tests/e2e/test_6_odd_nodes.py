"""Nodes on which something is odd: a plan says what, changes nothing, and goes on with the others."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cluster import Cluster, Node
from .told import (
    KUBELET,
    by_address,
    ended,
    next_of,
    plan,
)

CONFIG = f"{KUBELET}/config.yaml"

pytestmark = pytest.mark.long_on_the_bed


@pytest.fixture(scope="module")
def expired(cluster: Cluster) -> Cluster:
    """In these tests nothing is applied."""
    cluster.state("expired")
    return cluster


def _undo_with_a_stopped_kubelet(cluster: Cluster, node: Node, path: Path) -> None:
    """Somebody's process has the kubelet's name and flags that lead to a script of theirs: neither read nor run."""
    run = json.loads(path.read_text())["run"]
    evil = f"/tmp/evil/.kubevouch/{run}"
    node.sh(
        f"systemctl stop kubelet; mkdir -p {evil}; echo 'touch /tmp/pwned' >{evil}/undo.sh; touch {evil}/armed; "
        'chmod -R 777 /tmp/evil; bash -c \'(exec -a kubelet sh -c "sleep 60; :" --root-dir=/tmp/evil) '
        ">/dev/null 2>&1 </dev/null &'"
    )
    undone = ended(cluster, 0, "undo", run, "--yes")
    assert "undone" in undone.out
    assert b"serverTLSBootstrap" not in node.read(CONFIG)
    assert not node.exists("/tmp/pwned")
    shown = node.sh("systemctl show kubelet.service --property=ActiveState").stdout
    assert shown.strip() == "ActiveState=active"


@contextlib.contextmanager
def _made_by_microk8s(cluster: Cluster) -> Iterator[None]:
    """Without the ConfigMap that is kubeadm's alone, and with the label that MicroK8s gives to its nodes."""
    config_map = ("configmap", "kubelet-config", "-n", "kube-system")
    kept = json.loads(cluster.kubectl("get", *config_map, "-o", "json").stdout)
    for key in ("resourceVersion", "uid", "creationTimestamp", "managedFields"):
        kept["metadata"].pop(key, None)
    cluster.kubectl("delete", *config_map)
    cluster.kubectl("label", "nodes", "--all", "microk8s.io/cluster=true")
    try:
        yield
    finally:
        cluster.kubectl("label", "nodes", "--all", "microk8s.io/cluster-")
        cluster.kubectl("create", "-f", "-", stdin=json.dumps(kept))


def test_a_cluster_that_kubeadm_did_not_make_gets_no_plan(expired: Cluster, tmp_path: Path) -> None:
    """doctor leads to what made it, and with the ConfigMap back no label keeps a plan from being made."""
    path = tmp_path / "plan.json"
    with _made_by_microk8s(expired):
        refused = ended(expired, 3, "plan", "-o", str(path), "--via", "ssh")
        assert "MicroK8s made this cluster" in refused.err
        assert not path.exists()
        doctor = ended(expired, 1, "doctor")
        assert "made by  MicroK8s, not kubeadm" in doctor.out
        assert next_of(doctor).startswith("https://"), doctor
    expired.kubectl("label", "nodes", "--all", "microk8s.io/cluster=true")
    try:
        node = expired.workers[0].name
        assert plan(expired, path, "--node", node)["nodes"]
    finally:
        expired.kubectl("label", "nodes", "--all", "microk8s.io/cluster-")


@pytest.mark.parametrize("known", [False, True])
def test_nodes_whose_names_this_machine_cannot_resolve_are_reached_at_their_addresses(
    expired: Cluster, tmp_path: Path, known: bool
) -> None:
    """ssh_config and known_hosts as of somebody who logs in by address, or has never logged in. The last test: it applies."""
    node = expired.workers[0]
    config = by_address(expired, node, tmp_path, known=known)
    path = tmp_path / "plan.json"
    words = ("--via", "ssh", "--ssh-config", str(config), "--node", node.name)
    ran = expired.kubevouch("plan", "-o", str(path), *words)
    made = json.loads(path.read_text())
    if known:
        assert ran.code == 3, ran
        allow = f"{node.name}={node.address}"
        assert f"is the node's own word; if it is so: --allow {allow}" in ran.out
        ran = expired.kubevouch("plan", "-o", str(path), *words, "--allow", allow)
        made = json.loads(path.read_text())
        assert ran.code == 0, ran
        assert [each["host"] for each in made["nodes"]] == [node.address]
        assert f"ssh        {node.address}, whose key known_hosts has for {node.address}" in ran.out
        ended(expired, 0, "apply", str(path), "--yes", "--soak", "1s")
        _undo_with_a_stopped_kubelet(expired, node, path)
        return
    assert ran.code == 3, ran
    assert "LEFT OUT" in ran.out
    for word in (
        f"known_hosts has no key for {node.name}",
        node.address,
        "--ssh-config",
        "ssh-keyscan",
    ):
        assert word in ran.out, word
