"""A thief with a bootstrap token, a lying Node or a plan changed by hand: nothing of the thief's is approved."""

import json
import re
import threading
from pathlib import Path

import pytest

from tests.cli.program import Ran

from .cluster import Cluster
from .hostile import Hostile, ask
from .thief import Thief
from .told import (
    by_address,
    csrs_of,
    ended,
    eventually,
    lying,
    plan,
    posing,
    status_of_csr,
)

KUBELET_CONF = "/etc/kubernetes/kubelet.conf"


def test_a_stolen_identity_gets_no_second_certificate_and_holds_up_nobody(
    waiting: Cluster, tmp_path: Path
) -> None:
    """The same names, addresses, usages and form as the kubelet's own CSR, again and again: only the credential is another."""
    cluster, node = waiting, waiting.workers[-1]
    path = tmp_path / "plan.json"
    plan(cluster, path, "--node", node.name)
    thief, asked, over = Thief.of(cluster, node, tmp_path), ["thief-serving-0"], threading.Event()
    pem = Hostile("").pem(node.name, node.address)

    def ask_on() -> None:
        while not over.wait(0.5):
            asked.append(f"thief-serving-{len(asked)}")
            ask(cluster, asked[-1], pem, kubeconfig=thief.kubeconfig)

    try:
        ask(cluster, asked[-1], pem, kubeconfig=thief.kubeconfig)
        asking = threading.Thread(target=ask_on)
        asking.start()
        try:
            ran = cluster.kubevouch("apply", str(path), "--yes", "--soak", "1s")
        finally:
            over.set()
            asking.join()
        assert ran.code in {0, 3}, ran
        assert len(asked) > 2
        assert not any(status_of_csr(cluster, each) for each in asked)
        own = [e for e in csrs_of(cluster, node) if e["metadata"]["name"] not in asked]
        assert any(each["status"] for each in own)
    finally:
        cluster.kubectl("delete", "csr", *asked, "--ignore-not-found")
        Thief.gone(cluster)


def test_a_machine_that_the_thief_owns_does_not_pass_for_the_node(
    waiting: Cluster, tmp_path: Path
) -> None:
    """It has the thief's certificate for the node's name, and the Node's status says that it is the node's machine."""
    cluster, node, owned = waiting, waiting.workers[0], waiting.workers[1]
    config = by_address(cluster, tmp_path, owned)
    conf = owned.read(KUBELET_CONF)
    path = tmp_path / "plan.json"
    words = ("--via", "ssh", "--ssh-config", str(config), "--node", node.name)

    def met() -> Ran | None:
        """The node's kubelet writes the truth again and again: a plan that was made in between meets no thief."""
        ran = cluster.kubevouch("plan", "-o", str(path), *words)
        return ran if owned.address in ran.out else None

    def posed(ran: Ran) -> Ran | None:
        return ran if f"ssh reaches the node only at {owned.address}" in ran.err else None

    try:
        thief = Thief.of(cluster, node, tmp_path)
        owned.write("/root/stolen.pem", (tmp_path / "thief.pem").read_bytes(), 0o600)
        stolen = re.sub(rb"client-certificate: .*", b"client-certificate: /root/stolen.pem", conf)
        owned.write(KUBELET_CONF, stolen, 0o600)
        with posing(cluster, node, thief.kubeconfig, owned):
            ran = eventually(met, "a plan made while the thief posed as the node")
            pin = ("approver", "pin", node.name, "--diff", "-o", "json", *words[:4])
            pinned = eventually(lambda: posed(cluster.kubevouch(*pin)), "a pin looked at meanwhile")
        assert ran is not None
        assert pinned is not None
        assert ran.code == 3, ran
        assert "foreign-addresses (ContestedAddress)" in ran.out, ran
        [looked] = json.loads(pinned.out)["nodes"]
        assert not looked["clientCertificates"], pinned
    finally:
        owned.write(KUBELET_CONF, conf, 0o600)
        owned.sh("rm -f /root/stolen.pem")
        Thief.gone(cluster)


@pytest.mark.long_on_the_bed
def test_an_address_that_two_nodes_claim_needs_the_operators_word(
    waiting: Cluster, tmp_path: Path
) -> None:
    """Its host key answers there, which is not enough: whoever answers ssh may be the thief."""
    cluster, node, liar = waiting, waiting.workers[0], waiting.workers[1]
    kubeconfig = cluster.node_kubeconfig(liar, tmp_path)
    path = tmp_path / "plan.json"
    words = ("plan", "-o", str(path), *cluster.ssh_words(), "--node", node.name)

    def held() -> Ran | None:
        """The liar's kubelet takes the lie out again and again: a plan that was made in between does not meet it."""
        ran = cluster.kubevouch(*words)
        return ran if ran.code == 3 else None

    with lying(cluster, liar, kubeconfig, node.address):
        left_out = eventually(held, "a plan made while both nodes claimed it")
        said = cluster.kubevouch(*words, "--allow", f"{node.name}={node.address}")
    assert left_out is not None
    assert "foreign-addresses (ContestedAddress)" in left_out.out, left_out
    assert f"--allow {node.name}={node.address}" in left_out.out, left_out
    assert said.code == 0, said


@pytest.mark.long_on_the_bed
def test_a_plan_changed_by_hand_gives_no_worker_the_api_servers_address(
    waiting: Cluster, tmp_path: Path
) -> None:
    """How an address was proven is proven again, not believed."""
    cluster, node = waiting, waiting.workers[0]
    path = tmp_path / "plan.json"
    document = plan(cluster, path, "--node", node.name)
    stolen = {"value": cluster.master.address, "source": "its ssh host key answered there"}
    document["nodes"][0]["addresses"].append(stolen)
    path.write_text(json.dumps(document))
    kubeconfig = cluster.node_kubeconfig(node, tmp_path)
    pem = Hostile("", addresses=(node.address, cluster.master.address)).pem(node.name, node.address)
    try:
        ask(cluster, "thief-serving", pem, kubeconfig=kubeconfig)
        ran = ended(cluster, 4, "apply", str(path), "--yes", "--soak", "1s", "--gate-timeout", "4s")
        assert "its ssh host key answered there) no longer holds" in ran.out + ran.err, ran
        allow = ("--allow", f"{node.name}={cluster.master.address}")
        approved = ended(cluster, 1, "csr", "approve", "thief-serving", *allow, "--yes")
        assert "HOLD reserved-addresses " in " ".join(approved.out.split())
        assert not status_of_csr(cluster, "thief-serving")
    finally:
        cluster.kubectl("delete", "csr", "thief-serving", "--ignore-not-found")
