"""`fix --resume` after a kill: it goes past no node that the run may have broken, and is not held up by a file that is the same."""

import time
from pathlib import Path

import pytest

from .cluster import Cluster
from .told import KUBELET, eventually, kubelet_files, plan

pytestmark = pytest.mark.long_on_the_bed


@pytest.fixture
def expired(cluster: Cluster) -> Cluster:
    cluster.state("expired")
    return cluster


def killed_while_it_is_armed(cluster: Cluster, path: Path) -> None:
    """Once its kubelet has been restarted and nothing is proven yet: no certificate is issued."""
    cluster.stop_controller_manager()
    running = cluster.start_kubevouch(
        "fix", "--apply", str(path), "--yes", "--soak", "1s", "--gate-timeout", "5m"
    )
    running.wait_for("restarted")
    running.kill()


def test_a_node_that_the_run_has_begun_and_whose_kubelet_is_down_is_put_back_and_no_other_begins(
    expired: Cluster, tmp_path: Path
) -> None:
    path, (first, second) = tmp_path / "plan.json", expired.workers[:2]
    before = [kubelet_files(each) for each in (first, second)]
    run = plan(expired, path, "--nodes", f"{first.name},{second.name}")["run"]
    try:
        killed_while_it_is_armed(expired, path)
    finally:
        expired.start_controller_manager()
    first.sh("systemctl stop kubelet.service")
    is_ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    asked = ("get", "node", first.name, "-o", is_ready)
    eventually(lambda: expired.kubectl(*asked).stdout != "True", "NotReady")
    resumed = expired.kubevouch("fix", "--resume", str(run), "--yes", "--soak", "1s")
    assert resumed.code == 5, resumed
    said, told = " ".join(resumed.err.split()), " ".join(resumed.out.split())
    assert (
        f"This will put back {first.name}, which this run has begun and which is not Ready" in said
    )
    only = f"this run was begun on {first.name}, whose Node is not Ready, so it only ends what it has begun"
    assert f"goes without {second.name}: {only}" in said
    assert f"{first.name} undone" in told
    assert f"LEFT OUT: {second.name}: {only}" in told
    assert "NEXT kubevouch doctor THEN kubevouch fix --plan" in told
    assert [kubelet_files(each) for each in (first, second)] == before
    assert first.sh("systemctl is-active kubelet.service").stdout.strip() == "active"


def test_a_file_that_is_written_again_unchanged_while_its_node_is_armed_is_no_failure(
    expired: Cluster, tmp_path: Path
) -> None:
    path, node = tmp_path / "plan.json", expired.workers[0]
    before = kubelet_files(node)
    run = str(plan(expired, path, "--nodes", node.name)["run"])
    try:
        killed_while_it_is_armed(expired, path)
    finally:
        expired.start_controller_manager()
    time.sleep(
        4
    )  # times of files are whole seconds: what was written within two of the start is not seen
    config = f"{KUBELET}/config.yaml"
    node.sh(f"cp -p {config} {config}.new && touch {config}.new && mv {config}.new {config}")
    looked = expired.kubevouch("fix", "--status", run)
    note = f"{config} was written again since, with the same content"
    assert note in " ".join(looked.out.split()), looked
    resumed = expired.kubevouch("fix", "--resume", run, "--yes", "--soak", "1s")
    assert resumed.code == 0, resumed
    assert "1 of 1 nodes done" in resumed.out, resumed
    undone = expired.kubevouch("undo", run, "--yes")
    assert undone.code == 0, undone
    assert kubelet_files(node) == before
