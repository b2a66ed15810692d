"""What root on a worker would try while `apply` waits for that node's request. Each differs from a good twin in one thing."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.program import Ran

from .cluster import Cluster
from .hostile import Hostile, ask
from .told import (
    ended,
    eventually,
    lying,
    plan,
    status_of_csr,
)

# Stand for addresses of the cluster at hand: the second worker's, the control plane's.
OTHER, MASTER = "<other>", "<master>"
KINDS: dict[str, Hostile] = {
    "another node's address": Hostile("foreign-addresses", addresses=(OTHER,)),
    "the API server's address": Hostile("reserved-addresses", addresses=(MASTER,)),
    "kubernetes.default.svc, hidden": Hostile("canonical", hidden=("kubernetes.default.svc",)),
    "client auth": Hostile("usages", usages=("digital signature", "client auth")),
}
ALSO_ON_THE_BED = ("another node's address", "kubernetes.default.svc, hidden")
"""At every change: one that is plain to see, and one that parsers read differently."""


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(each, marks=() if each in ALSO_ON_THE_BED else pytest.mark.long_on_the_bed)
        for each in KINDS
    ],
)
def test_the_node_stops_with_the_rule_named_and_the_good_twin_is_approved(
    waiting: Cluster, tmp_path: Path, kind: str
) -> None:
    cluster, hostile, node = waiting, KINDS[kind], waiting.workers[0]
    path = tmp_path / "plan.json"
    plan(cluster, path, "--node", node.name)
    kubeconfig = cluster.node_kubeconfig(node, tmp_path)
    number = list(KINDS).index(kind)
    bad, good = f"hostile-{number}", f"twin-{number}"
    pem = _here(hostile, cluster).pem(node.name, node.address)
    allow = ("--allow", f"{node.name}={node.name}", "--allow", f"{node.name}={node.address}")
    try:
        ask(cluster, bad, pem, hostile.usages, kubeconfig=kubeconfig)
        ran = ended(cluster, 4, "apply", str(path), "--yes", "--soak", "1s", "--gate-timeout", "4s")
        assert f"{bad} is held" in ran.out, ran
        assert f"{hostile.rule} (" in ran.out, ran
        assert not status_of_csr(cluster, bad)
        explained = ended(cluster, 1, "csr", "explain", bad, *allow)
        assert f"HOLD {hostile.rule} " in " ".join(explained.out.split())

        twin = Hostile("").pem(node.name, node.address)
        ask(cluster, good, twin, kubeconfig=kubeconfig)
        ended(cluster, 0, "csr", "approve", good, *allow, "--yes")
        assert status_of_csr(cluster, good)
    finally:
        cluster.kubectl("delete", "csr", bad, good, "--ignore-not-found")


def _here(hostile: Hostile, cluster: Cluster) -> Hostile:
    return replace(hostile, addresses=tuple(_real(each, cluster) for each in hostile.addresses))


def _real(text: str, cluster: Cluster) -> str:
    return text.replace(OTHER, cluster.workers[1].address).replace(MASTER, cluster.master.address)


@pytest.mark.long_on_the_bed
def test_addresses_that_a_node_adds_after_the_plan_are_not_its_own(
    waiting: Cluster, tmp_path: Path
) -> None:
    """The plan was made from the truth; then the node rewrites its status and asks for what it wrote."""
    cluster, node = waiting, waiting.workers[0]
    path = tmp_path / "plan.json"
    plan(cluster, path, "--node", node.name)
    kubeconfig = cluster.node_kubeconfig(node, tmp_path)
    lie = "192.168.88.77"
    pem = Hostile("", addresses=(node.address, lie)).pem(node.name, node.address)

    def said(ran: Ran) -> str:
        return " ".join((ran.out + ran.err).split())

    def left_out() -> Ran | None:
        """The kubelet takes the lie out again and again: an apply that does not meet it comes to the CSR, which asks for it."""
        ran = cluster.kubevouch("apply", str(path), "--yes", "--soak", "1s", "--gate-timeout", "4s")
        assert ran.code == 3 or "allowed-addresses (AddressNotAllowed)" in said(ran), ran
        return ran if ran.code == 3 else None

    with lying(cluster, node, kubeconfig, lie):
        ask(cluster, "after-plan", pem, kubeconfig=kubeconfig)
        try:
            ran = eventually(left_out, "an apply that meets the lie")
            assert ran is not None
            assert f"the Node has {lie}, which is not in the plan" in said(ran), ran
            assert not status_of_csr(cluster, "after-plan")
        finally:
            cluster.kubectl("delete", "csr", "after-plan", "--ignore-not-found")


@pytest.mark.long_on_the_bed
@pytest.mark.parametrize(
    ("lie", "why"),
    [
        (OTHER, "(of k8s-worker-2.internal.example.com)"),
        ("192.168.88.77", "claimed only by the Node's own status: 192.168.88.77"),
    ],
)
def test_addresses_that_a_node_adds_before_the_plan_leave_it_out(
    waiting: Cluster, tmp_path: Path, lie: str, why: str
) -> None:
    cluster, node = waiting, waiting.workers[0]
    kubeconfig = cluster.node_kubeconfig(node, tmp_path)
    path = tmp_path / "plan.json"
    words = ("plan", "-o", str(path), *cluster.ssh_words(), "--node", node.name)

    def left_out() -> Ran | None:
        """The kubelet takes the lie out again and again: a plan that was made in between does not have it."""
        ran = cluster.kubevouch(*words)
        assert ran.code == 3 or _real(lie, cluster) not in path.read_text(), ran
        return ran if ran.code == 3 else None

    with lying(cluster, node, kubeconfig, _real(lie, cluster)):
        ran = eventually(left_out, "a plan made while the lie stood there")
    assert ran is not None
    assert f"{node.name}   LEFT OUT: " in ran.out, ran
    assert why in ran.out, ran
    assert ran.code == 3, ran
