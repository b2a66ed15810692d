"""IPv6-only and dual-stack labs, each in a network of its own: doctor, the approver, a plan and verify."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.support.own_network import own_network

from .beside import account, approving, without_its_pods
from .cluster import Cluster
from .hostile import Hostile, ask
from .lab_cluster import LabCluster, lab
from .test_9_approver import list_in_the_inventory
from .told import (
    ended,
    eventually,
    findings,
    serving_requests,
)

pytestmark = pytest.mark.long_on_the_bed

FAMILIES = ("ipv6", "dual")


@pytest.fixture(scope="module", params=FAMILIES)
def other(
    request: pytest.FixtureRequest, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LabCluster]:
    """A lab of its own with that family of addresses, and what the approver needs on it."""
    if not isinstance(cluster, LabCluster):
        pytest.skip("the bed is IPv4: approver/test_2_two_addresses.py has a node of two addresses")
    family: str = request.param
    words = ("--ip-family", family)
    try:
        with (
            own_network(ipv4=family == "dual") as network,
            lab(tmp_path_factory.mktemp(family), *words, network=network) as found,
            without_its_pods(found),
        ):
            yield found
    except OSError as error:
        pytest.skip(f"no network of its own on this machine: {error}")


def _of_kind(cluster: LabCluster, name: str) -> list[str]:
    """The InternalIPs of a Node."""
    addresses = cluster.get("node", name)["status"]["addresses"]
    return [each["address"] for each in addresses if each["type"] == "InternalIP"]


def test_doctor_finds_what_is_wrong_with_every_kubelet(other: LabCluster) -> None:
    ran = ended(other, 1, "doctor", "-o", "json")
    assert set(findings(ran)) == {"KV103", "KV304", "KV501"}
    assert json.loads(ran.out)["cause"]["code"] == "KV501"


def test_the_approver_approves_all_addresses_of_a_node_and_no_other(
    other: LabCluster, tmp_path: Path
) -> None:
    other.state("pending")
    list_in_the_inventory(other, other.nodes)
    node, victim = other.workers[:2]
    kubeconfig = other.node_kubeconfig(node, tmp_path)
    host = "::1" if other.site.family == "ipv6" else "127.0.0.1"
    bind = f"--bind-address={host}"
    with approving(other, account(other, tmp_path), bind) as approver:
        eventually(lambda: _all_issued(other), "a certificate for each CSR")
        for name, foreign in (
            ("foreign", victim.host.addresses[-1]),
            ("of-services", other.site.service_addresses[-1]),
        ):
            wanted = Hostile("", addresses=(*node.host.addresses, foreign))
            ask(other, name, wanted.pem(node.name, node.address), kubeconfig=kubeconfig)
            approver.wait_for(f'"Held" csr="{name}"')
    for csr in serving_requests(other):
        _is_the_nodes_own(other, csr)
    other.kubectl("delete", "csr", "foreign", "of-services")
    eventually(lambda: other.kubevouch("verify").code == 0, "all is well")


def _all_issued(cluster: LabCluster) -> bool:
    return all(each["status"].get("certificate") for each in serving_requests(cluster))


def _is_the_nodes_own(cluster: LabCluster, csr: dict[str, Any]) -> None:
    """What was issued has exactly the addresses of its node, of both families where it has two."""
    certificate = csr["status"].get("certificate")
    if csr["metadata"]["name"] in {"foreign", "of-services"}:
        assert not certificate
        return
    leaf = x509.load_pem_x509_certificate(base64.b64decode(certificate))
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    node = csr["spec"]["username"].removeprefix("system:node:")
    issued = [str(each) for each in names.get_values_for_type(x509.IPAddress)]
    assert sorted(issued) == sorted(_of_kind(cluster, node))
    assert len(issued) == len(cluster.site.family.members)


def test_the_whole_way_from_a_plan_to_verify(other: LabCluster, tmp_path: Path) -> None:
    other.state("expired")
    path = str(tmp_path / "plan.json")
    ran = ended(other, 0, "plan", "-o", path, *other.ssh_words())
    for node in other.nodes:
        for address in node.host.addresses:
            assert f"SAN        {address}   (its ssh host key answered there)" in ran.out
        shown = f"[{node.address}]" if ":" in node.address else node.address
        assert f"TLS check  at {shown}:10250" in ran.out
    ended(other, 0, "apply", path, "--yes", "--soak", "1s")
    ended(other, 0, "verify", "--wait", "2m")
