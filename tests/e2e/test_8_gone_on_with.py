"""`resume` after a kill: it goes past no node that the run may have broken."""

import re
from pathlib import Path

import pytest

from .cluster import Cluster
from .told import (
    ended,
    eventually,
    killed_at,
    kubelet_files,
    plan,
    shows_as_cut_off,
)

pytestmark = pytest.mark.long_on_the_bed


def killed_while_it_is_armed(cluster: Cluster, path: Path, gates: str = "5m") -> None:
    """Once its kubelet has been restarted and nothing is proven yet: no certificate is issued."""
    cluster.stop_controller_manager()
    killed_at(cluster, path, "restarted", "--gate-timeout", gates)


def cut_off_while_it_is_armed(cluster: Cluster, path: Path) -> None:
    """Killed likewise; from then on certificates are issued again."""
    try:
        killed_while_it_is_armed(cluster, path)
    finally:
        cluster.start_controller_manager()


def test_a_node_that_the_run_has_begun_and_whose_kubelet_is_down_is_put_back_and_no_other_begins(
    expired: Cluster, tmp_path: Path
) -> None:
    path, (first, second) = tmp_path / "plan.json", expired.workers[:2]
    before = [kubelet_files(each) for each in (first, second)]
    run = plan(expired, path, "--node", first.name, "--node", second.name)["run"]
    cut_off_while_it_is_armed(expired, path)
    first.sh("systemctl stop kubelet.service")
    is_ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    asked = ("get", "node", first.name, "-o", is_ready)
    eventually(lambda: expired.kubectl(*asked).stdout != "True", "NotReady")
    resumed = ended(expired, 5, "resume", str(run), "--yes", "--soak", "1s")
    said, told = " ".join(resumed.err.split()), " ".join(resumed.out.split())
    assert f"This will undo {first.name}, which this run changed and which is not Ready" in said
    only = f"this run has begun on {first.name}, whose Node is not Ready, so it only finishes what it has begun"
    assert f"leaving out {second.name}: {only}" in said
    assert f"{first.name} undone" in told
    assert f"LEFT OUT: {second.name}: {only}" in told
    assert "NEXT kubevouch doctor THEN kubevouch plan" in told
    assert [kubelet_files(each) for each in (first, second)] == before
    assert first.sh("systemctl is-active kubelet.service").stdout.strip() == "active"


def test_a_switch_that_goes_off_while_a_resume_proves_the_node_is_the_reason_at_once(
    expired: Cluster, tmp_path: Path
) -> None:
    path, (first, second) = tmp_path / "plan.json", expired.workers[:2]
    before = [kubelet_files(each) for each in (first, second)]
    run = plan(expired, path, "--node", first.name, "--node", second.name)["run"]
    try:
        killed_while_it_is_armed(expired, path, "50s")  # so that the switch has 70 s
        # It waits longer than the switch has, however soon it goes on.
        resumed = expired.kubevouch("resume", str(run), "--yes", "--gate-timeout", "5m")
    finally:
        expired.start_controller_manager()
    said, told = " ".join(resumed.err.split()), " ".join(resumed.out.split())
    left = re.search(
        rf"{first.name}: the dead-man's switch undoes an unverified change in (\d+) s", said
    )
    assert left and 0 < int(left[1]) <= 70, resumed
    # Which of the two comes first is open: the switch that is due, or the resume that sees that.
    why = r"the dead-man's switch (undid the change|was due) at [\d:]+ UTC, before the node was verified; this attempt had begun on the node \d+ s earlier"
    assert re.search(f"{first.name} undone (\\d+ s )?{why}", told), resumed
    assert "KV304" not in told, resumed
    assert resumed.code == 5, resumed
    assert [kubelet_files(each) for each in (first, second)] == before


def test_after_a_kill_a_look_without_the_ssh_configuration_leads_to_the_run_and_on_with_its_own_times(
    expired: Cluster, tmp_path: Path
) -> None:
    """The plan was made with --ssh-config: the operator's own ssh knows none of these nodes."""
    path, node = tmp_path / "plan.json", expired.workers[0]
    before = kubelet_files(node)
    run = str(plan(expired, path, "--node", node.name)["run"])
    cut_off_while_it_is_armed(expired, path)
    shows_as_cut_off(expired, run)
    ended(expired, 0, "resume", run, "--yes")
    assert expired.kubevouch("undo", run, "--yes").code == 0
    assert kubelet_files(node) == before
