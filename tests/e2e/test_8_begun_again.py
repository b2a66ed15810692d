"""A run that was cut off, or is begun once more, or has nothing to do: what is said is true, to the operator's last word."""

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.program import Ran

from .cluster import Cluster, Node
from .told import armed, config_map, ended, killed_at, kubelet_files, plan


def test_a_run_killed_at_a_served_node_and_begun_again_goes_on_and_commits(
    expired: Cluster, worker: Node, tmp_path: Path
) -> None:
    path = tmp_path / "plan.json"
    made = plan(expired, path, "--node", worker.name)
    killed_at(expired, path, "serves it at")
    assert armed(worker) == [made["run"]]
    again = ended(expired, 0, "apply", str(path), "--yes", "--soak", "1s")
    assert "1 of 1 nodes done" in again.out, again
    assert armed(worker) == []
    assert "continue this unfinished run" in again.err, again
    assert re.search(r"^NEXT +kubevouch verify --wait 2m$", again.out, re.MULTILINE), again
    assert "KV905" not in expired.kubevouch("doctor").out
    # Done is done: nothing of the run is left that could take it back.
    assert worker.sh("systemctl list-timers --all | grep kubevouch", check=False).stdout == ""
    leaf = worker.handshake().leaf
    third = ended(expired, 0, "apply", str(path), "--yes", "--soak", "1s")
    assert "change 1 node" not in third.err, third
    assert worker.handshake().leaf == leaf


def next_of(ran: Ran, place: Path) -> list[str]:
    """The words of the command that a refusal names. place: of the plan that it would make."""
    [line] = re.findall(r"^NEXT +kubevouch (.*)$", ran.err, re.MULTILINE)
    return [str(place) if word == "plan.json" else word for word in shlex.split(line)]


@pytest.mark.long_on_the_bed
def test_a_resume_that_is_refused_names_the_command_that_leads_on_until_all_is_done(
    expired: Cluster, worker: Node, tmp_path: Path
) -> None:
    path, new = tmp_path / "plan.json", tmp_path / "new.json"
    made = plan(expired, path, "--node", worker.name)
    killed_at(expired, path, "restarted")
    ended(expired, 0, "undo", str(made["run"]), "--yes")
    refused = ended(expired, 4, "resume", str(made["run"]), "--yes")
    assert "this run was undone on this node" in refused.err, refused
    ended(expired, 0, *next_of(refused, new), "--node", worker.name)
    worker.sh("echo '# edited' >> /var/lib/kubelet/config.yaml")
    other = expired.kubevouch("apply", str(new), "--yes")
    # A kubelet that has just begun may have read it: what was written within two seconds is not seen.
    why = r"changed (since the plan|after the kubelet's start)"
    assert (other.code, bool(re.search(why, " ".join(other.err.split())))) == (4, True), other
    worker.sh("systemctl restart kubelet")
    assert expired.kubevouch(*next_of(other, new), "--node", worker.name).code == 0
    ended(expired, 0, "apply", str(new), "--yes", "--soak", "1s")


@pytest.mark.long_on_the_bed
def test_a_finished_run_begun_again_changes_nothing_and_an_undo_leaves_all_as_before(
    expired: Cluster, tmp_path: Path
) -> None:
    """Of all nodes, and so of the ConfigMap, too."""
    path, worker = tmp_path / "plan.json", expired.workers[0]
    before, data = [kubelet_files(each) for each in expired.nodes], config_map(expired)
    leaf = worker.handshake().leaf
    run = str(plan(expired, path)["run"])
    first = ended(expired, 0, "apply", str(path), "--yes", "--soak", "1s")
    assert "ConfigMap kubelet-config updated" in first.out, first
    again = ended(expired, 0, "apply", str(path), "--yes")
    assert "This will" not in again.err, again
    assert "updated" not in again.out, again
    assert worker.handshake().leaf != leaf
    undone = ended(expired, 0, "undo", run, "--yes")
    assert "restarted" in undone.err, undone
    assert ([kubelet_files(each) for each in expired.nodes], config_map(expired)) == (before, data)
    assert worker.handshake().leaf == leaf
    twice = ended(expired, 0, "undo", run, "--yes")
    assert "restarted" not in twice.err, twice
    assert "undone before" in twice.out, twice
