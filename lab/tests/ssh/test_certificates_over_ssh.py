"""The certificates on nodes' disks are read over the system's own ssh; a node that cannot be read is told, the others are there."""

from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundPart,
)
from kubevouch.evidence.gather.certificates.disks import certificates_over_ssh
from kubevouch.evidence.measured import DoubtKind
from lab.tests.kubelets.conftest import PKI, rotated
from lab.tests.nodes.conftest import CONFIG, Machine, machine
from lab.tests.ssh.test_the_products_scripts_over_ssh import NAME, Reached, node
from tests.support.authority import Authority
from tests.support.clocks import SteppedClock

__all__ = ["machine", "node"]  # fixtures
AUTHORITY = Authority()


def _kubelet_of(machine: Machine, name: str) -> None:
    client = AUTHORITY.client(f"system:node:{name}", "system:nodes")
    files = machine.files
    files.write(CONFIG, b"apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n")
    rotated(files, "client", client)
    files.write("/etc/kubernetes/pki/ca.crt", AUTHORITY.pem)


async def _read(node: Reached, **hosts: str) -> FoundPart:
    asked = {name: (host,) for name, host in hosts.items()}
    return await certificates_over_ssh(asked, node.transport, SteppedClock())


async def test_a_kubelets_identity_and_its_ca_are_read_beside_a_silent_node(
    node: Reached,
) -> None:
    _kubelet_of(node.machine, NAME)
    part = await _read(node, **{NAME: NAME, "gone": "gone.invalid"})
    assert {each.use: (each.where, each.fault) for each in part.found} == {
        CertificateUse.CLUSTER_CA: ("/etc/kubernetes/pki/ca.crt", ""),
        CertificateUse.KUBELET_CLIENT: (f"{PKI}/kubelet-client-current.pem", ""),
    }
    assert {each.node for each in part.found} == {NAME}
    failed = [each for each in part.not_read if each.doubt.kind is DoubtKind.FAILED]
    assert [each.node for each in failed] == ["gone"]
    assert "known_hosts has no key for gone.invalid" in failed[0].doubt.text
    assert "--via pod" not in failed[0].doubt.text, "certs has no such way"


async def test_of_another_machine_nothing_is_taken_for_the_nodes(node: Reached) -> None:
    _kubelet_of(node.machine, "somebody-else")
    part = await _read(node, **{NAME: NAME})
    assert part.found == ()
    assert part.not_read[0].doubt.text == f"{NAME} is another machine: its Node is somebody-else"
