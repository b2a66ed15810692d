"""A node of two InternalIPs, IPv4 and IPv6, told to its kubelet in kubeadm's way: --node-ip=a,b."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from cryptography import x509

from real.handshake import context, shake
from real.node import Node
from tests.e2e.bed_cluster import BedCluster
from tests.e2e.told import (
    ended,
    eventually,
)

from .installed import InstalledApprover
from .simulated import Joining

FLAGS = "/etc/default/kubelet"
SECOND = "fd00:88::70"


@contextmanager
def two_addresses(node: Node) -> Iterator[None]:
    """Its kubelet has the second address, too, as long as the block lasts."""
    before = node.read(FLAGS)
    node.give(SECOND)
    try:
        node.write(
            FLAGS, before.replace(node.address.encode(), f"{node.address},{SECOND}".encode())
        )
        node.sh("systemctl restart kubelet")
        yield
    finally:
        node.write(FLAGS, before)
        node.sh("systemctl restart kubelet")
        node.take(SECOND)


def _internal(approver: InstalledApprover, node: Node) -> list[str]:
    addresses = approver.cluster.get("node", node.name)["status"]["addresses"]
    return [each["address"] for each in addresses if each["type"] == "InternalIP"]


def _waits(site: Joining, node: Node) -> str:
    """The name of the node's CSR that nobody has decided about."""
    user = f"system:node:{node.name}"
    found = [
        name
        for name, each in site.csrs.objects.items()
        if each["spec"]["username"] == user and not each["status"].get("conditions")
    ]
    return found[-1] if found else ""


def _serves(address: str, wanted: set[str]) -> bool:
    seen = shake(address, tls=context())
    if seen.outcome != "ok":
        return False
    leaf = x509.load_der_x509_certificate(seen.leaf)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(each) for each in names.get_values_for_type(x509.IPAddress)} == wanted


@pytest.mark.long
def test_a_second_address_waits_for_the_operator_and_is_then_served_at_both(
    bed: BedCluster, approver: InstalledApprover, site: Joining
) -> None:
    """The pin has the first one only: what a kubelet says of itself later is no reason to approve."""
    cluster, node = bed, bed.workers[0]
    both = [node.address, SECOND]
    try:
        with two_addresses(node):
            eventually(lambda: _internal(approver, node) == both, "both in the Node's status")
            csr = eventually(partial(_waits, site, node), "a CSR of the kubelet")
            note = site.held(csr, SECOND)
            assert f"kubevouch approver pin {node.name}" in note
            differs = cluster.kubevouch("approver", "pin", "--diff")
            assert (differs.code, SECOND in differs.out) == (1, True), differs
            ended(cluster, 0, "approver", "pin", node.name, "--yes")
            site.approved(csr)
            for address in both:
                look = partial(_serves, address, set(both))
                eventually(look, f"the certificate at {address}")
    finally:
        eventually(lambda: _internal(approver, node) == both[:1], "the Node's status as it was")
        ended(cluster, 0, "approver", "pin", node.name, "--yes")
