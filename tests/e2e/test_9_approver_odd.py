"""The approver where clocks are wrong and where no name can be looked up."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.support.name_server import NameServer, silent_name_server

from .approver.installed import clean
from .bed_cluster import BedCluster
from .beside import account, approving, without_its_pods
from .cluster import Cluster
from .test_9_approver import list_in_the_inventory, serves
from .told import csrs_of, ended, eventually, is_approved

pytestmark = pytest.mark.long_on_the_bed


@pytest.fixture(scope="module")
def installed(cluster: Cluster) -> Iterator[Cluster]:
    """Where the program runs beside the cluster: its clock, or what it may ask, is changed for it alone."""
    if isinstance(cluster, BedCluster):
        pytest.skip("the bed's approver runs as pods: tests/e2e/approver")
    clean(cluster)
    with without_its_pods(cluster):
        yield cluster


def test_nodes_with_wrong_clocks_get_what_is_theirs_and_what_they_serve_is_told_as_it_is(
    installed: Cluster, tmp_path: Path
) -> None:
    """A day ahead, a day behind, and so far ahead that to its kubelet each certificate has ended when it comes."""
    cluster = installed
    early, late, far = cluster.workers
    cluster.state("pending")
    if not cluster.set_clock(early, timedelta(days=1)):
        pytest.skip("all nodes of this cluster have one clock")
    cluster.set_clock(late, timedelta(days=-1))
    cluster.set_clock(far, timedelta(days=800))
    list_in_the_inventory(cluster, cluster.nodes)
    try:
        with approving(cluster, account(cluster, tmp_path)) as approver:
            approver.wait_for("Began to lead")
            eventually(lambda: serves(cluster, (early, late)), "both serve")
            # It asks again and again, as its kubelet believes each certificate to be over.
            approver.wait_for("OverBudget", seconds=200)
            assert 1 < sum(map(is_approved, csrs_of(cluster, far))) <= 6
            assert far.handshake().outcome == "alert:internal_error"
    finally:
        cluster.state("pending")
    ran = cluster.kubevouch("csr", "list")
    assert ran.code in {0, 1}, ran


@pytest.fixture
def nameless(installed: Cluster, tmp_path: Path) -> Iterator[NameServer]:
    """Where the only resolver answers nothing."""
    address = str(ip_address(installed.master.address) + 1000)
    folder = tmp_path / "names"
    folder.mkdir()
    try:
        with silent_name_server(address, folder) as found:
            yield found
    except PermissionError:
        pytest.skip("port 53 is root's on this machine")


def test_nothing_looks_a_name_up(installed: Cluster, nameless: NameServer, tmp_path: Path) -> None:
    """No DNS at all: the approver approves, renews its Lease and ends; doctor, verify and the plan find the same."""
    cluster, under = installed, nameless.under
    cluster.state("pending")
    list_in_the_inventory(cluster, cluster.nodes)
    before = cluster.kubevouch("doctor")
    found = cluster.kubevouch("doctor", under=under)
    assert (found.code, found.out.splitlines()[0]) == (before.code, before.out.splitlines()[0])
    path = str(tmp_path / "plan.json")
    ended(cluster, 0, "plan", "-o", path, *cluster.ssh_words(), under=under)
    with approving(cluster, account(cluster, tmp_path), under=under) as approver:
        eventually(lambda: serves(cluster, cluster.nodes), "every node serves again")
        approver.end()
        assert approver.finish(30).code == 0
    ended(cluster, 0, "verify", "--wait", "2m", under=under)
    assert nameless.asked == []
    _looks_a_name_up(cluster, nameless)


def _looks_a_name_up(cluster: Cluster, nameless: NameServer) -> None:
    """Whoever does look a name up is seen: else nothing was shown."""
    name = cluster.master.name
    code = f"import socket; socket.getaddrinfo({name!r}, 443)"
    done = subprocess.run(
        [*nameless.under, sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert "gaierror" in done.stderr
    assert any(name.split(".")[0].encode() in each for each in nameless.asked)
