"""The approver as its pods, with nothing pinned: what it approves by an inventory or a served certificate, and what it holds."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .approver.installed import NAMESPACE, InstalledApprover, clean
from .cluster import Cluster, Node
from .told import (
    ended,
    eventually,
    serving_requests,
)

pytestmark = pytest.mark.long_on_the_bed


@pytest.fixture(scope="module")
def approver(cluster: Cluster, image_reference: str) -> Iterator[InstalledApprover]:
    """As `approver install` makes it, while nobody has pinned a node."""
    clean(cluster)
    words = ("--image", image_reference, "--new-nodes", "hold", "--no-pins", "--yes")
    ended(cluster, 0, "approver", "install", *words)
    yield InstalledApprover(cluster)
    clean(cluster)


@contextmanager
def away(approver: InstalledApprover) -> Iterator[Cluster]:
    """No approver runs within the block: what comes about in it waits for the one that is there afterwards."""
    approver.scale(0)
    try:
        yield approver.cluster
    finally:
        approver.scale(1)


def list_in_the_inventory(cluster: Cluster, nodes: tuple[Node, ...]) -> None:
    """As an operator who knows the machines would write it: their names and addresses by now."""
    found = cluster.get("nodes")["items"]
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
        "metadata": {"name": "kubevouch-inventory", "namespace": NAMESPACE, "labels": labels},
        "data": {"inventory.yaml": text},
    }
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(thing))


def without_inventory(cluster: Cluster) -> None:
    words = ("delete", "configmap", "kubevouch-inventory", "-n", NAMESPACE, "--ignore-not-found")
    cluster.kubectl(*words)


def serves(cluster: Cluster, nodes: tuple[Node, ...]) -> bool:
    return all(node.handshake().outcome == "ok" for node in nodes)


def said(approver: InstalledApprover, text: str) -> bool:
    """Whether the one that leads has logged that."""
    return text in json.dumps(approver.leader().log())


def test_every_node_of_a_dark_cluster_gets_what_the_inventory_lists(
    approver: InstalledApprover,
) -> None:
    """Also the control plane, which has the API server's address by the operator's word."""
    with away(approver) as cluster:
        cluster.state("pending")
        list_in_the_inventory(cluster, cluster.nodes)
    eventually(lambda: serves(cluster, cluster.nodes), "every node serves again")
    ended(cluster, 0, "verify", "--wait", "2m")
    every = [c for e in serving_requests(cluster) for c in e["status"].get("conditions", ())]
    approved = [each for each in every if each["type"] != "Failed"]
    assert {c["reason"] for c in approved} == {"KubevouchApprove"}
    assert {c["message"] for c in approved} == {
        "kubevouch approver: every rule passed; names and addresses: listed in the inventory"
    }


def test_a_rotation_is_approved_by_the_certificate_that_is_served(
    approver: InstalledApprover,
) -> None:
    """Nothing is written down for these nodes: each proves itself with the certificate that it has."""
    with away(approver) as cluster:
        if not cluster.scenario("renewal-due"):
            pytest.skip("this cluster cannot be brought there")
        without_inventory(cluster)
        before = {node.name: node.handshake().leaf for node in cluster.workers}

    def renewed() -> bool:
        return all(n.handshake().leaf not in ("", b"", before[n.name]) for n in cluster.workers)

    eventually(renewed, "every worker serves a new certificate")
    eventually(
        lambda: said(approver, "by the certificate that the kubelet serves"), "why it approved them"
    )
    # The control plane's address is the API server's: only the operator's word gives it to a node.
    eventually(lambda: said(approver, "reserved-addresses"), "why it holds one")
