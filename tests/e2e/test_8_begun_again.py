"""A run that was cut off, or is begun once more, or has nothing to do: what is said is true, to the operator's last word."""

import json
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import Ran

from .cluster import Cluster, Node
from .told import (
    KUBELET,
    config_map,
    ended,
    eventually,
    kubelet_files,
    plan,
)

STORE = f"{KUBELET}/.kubevouch"


@pytest.fixture
def expired(cluster: Cluster) -> Cluster:
    cluster.state("expired")
    return cluster


@pytest.fixture
def worker(expired: Cluster) -> Iterator[Node]:
    """A worker on which no run is left armed after the test."""
    node = expired.workers[0]
    yield node
    for run in armed(node):
        expired.kubevouch("undo", run, "--yes")


def armed(node: Node) -> list[str]:
    """Runs whose switch may still put the node back."""
    states = f"{STORE}/*/armed {STORE}/*/written {STORE}/*/restarted {STORE}/*/verified"
    found = node.sh(f"ls {states} 2>/dev/null", check=False).stdout
    return [line.split("/")[-2] for line in found.split()]


def killed_at(cluster: Cluster, path: Path, text: str, *words: str) -> None:
    """`apply`, killed without a chance to say anything once that text is printed."""
    running = cluster.start_kubevouch("apply", str(path), "--yes", "--soak", "1s", *words)
    running.wait_for(text)
    running.kill()


def test_a_run_killed_at_a_served_node_and_begun_again_goes_on_and_commits(
    expired: Cluster, worker: Node, tmp_path: Path
) -> None:
    path = tmp_path / "plan.json"
    made = plan(expired, path, "--nodes", worker.name)
    killed_at(expired, path, "serves it at")
    assert armed(worker) == [made["run"]]
    again = ended(expired, 0, "apply", str(path), "--yes", "--soak", "1s")
    assert "1 of 1 nodes done" in again.out, again
    assert armed(worker) == []
    assert "goes on with this run" in again.err, again
    assert re.search(r"^NEXT +kubevouch verify --wait 2m$", again.out, re.MULTILINE), again
    assert "KV905" not in expired.kubevouch("doctor").out
    # Done is done: nothing of the run is left that could take it back.
    assert worker.sh("systemctl list-timers --all | grep kubevouch", check=False).stdout == ""
    leaf = worker.handshake().leaf
    third = ended(expired, 0, "apply", str(path), "--yes", "--soak", "1s")
    assert "change 1 node" not in third.err, third
    assert worker.handshake().leaf == leaf


@pytest.mark.long_on_the_bed
def test_a_run_killed_with_no_node_in_hand_is_told_to_be_cut_off_and_is_gone_on_with(
    expired: Cluster, tmp_path: Path
) -> None:
    """Between two nodes, where nothing is armed: only its Lease tells that it has not ended."""
    path, nodes = tmp_path / "plan.json", expired.workers[:2]
    before = [kubelet_files(each) for each in nodes]
    run = plan(expired, path, "--nodes", ",".join(each.name for each in nodes))["run"]
    killed_at(expired, path, "done in", "--soak", "5m")
    assert [armed(each) for each in nodes] == [[], []]
    within = time.monotonic() + 120
    status = (
        "status",
        *expired.ssh_words(),
    )  # of no run in particular: all nodes are asked
    while "was cut off" not in (looked := expired.kubevouch(*status)).out:
        assert "Under way  run " in looked.out, looked
        assert time.monotonic() < within, looked
    said = " ".join(looked.out.split())
    assert f"Under way nobody: run {run} of " in said, looked
    assert f"NEXT       kubevouch resume {run}" in looked.out, looked
    resumed = ended(expired, 0, "resume", str(run), "--yes", "--soak", "1s")
    assert "2 of 2 nodes done" in resumed.out, resumed
    assert "Under way  nobody\n" in expired.kubevouch(*status).out
    ended(expired, 0, "undo", str(run), "--yes")
    assert [kubelet_files(each) for each in nodes] == before


def next_of(ran: Ran, place: Path) -> list[str]:
    """The words of the command that a refusal names. place: of the plan that it would make."""
    [line] = re.findall(r"^NEXT +kubevouch (.*)$", ran.err, re.MULTILINE)
    return [str(place) if word == "plan.json" else word for word in shlex.split(line)]


@pytest.mark.long_on_the_bed
def test_a_resume_that_is_refused_names_the_command_that_leads_on_until_all_is_done(
    expired: Cluster, worker: Node, tmp_path: Path
) -> None:
    path, new = tmp_path / "plan.json", tmp_path / "new.json"
    made = plan(expired, path, "--nodes", worker.name)
    killed_at(expired, path, "restarted")
    ended(expired, 0, "undo", str(made["run"]), "--yes")
    refused = ended(expired, 4, "resume", str(made["run"]), "--yes")
    assert "this run was undone on it" in refused.err, refused
    ended(expired, 0, *next_of(refused, new), "--nodes", worker.name)
    worker.sh("echo '# edited' >> /var/lib/kubelet/config.yaml")
    other = expired.kubevouch("apply", str(new), "--yes")
    assert (other.code, "has been changed since the plan" in other.err) == (4, True), other
    worker.sh("systemctl restart kubelet")
    assert expired.kubevouch(*next_of(other, new), "--nodes", worker.name).code == 0
    ended(expired, 0, "apply", str(new), "--yes", "--soak", "1s")


@pytest.mark.long_on_the_bed
def test_a_new_plan_leaves_out_a_node_on_which_another_run_is_armed(
    expired: Cluster, worker: Node, tmp_path: Path
) -> None:
    path, other = tmp_path / "plan.json", tmp_path / "other.json"
    made = plan(expired, path, "--nodes", worker.name)
    second = plan(expired, other, "--nodes", worker.name)
    before = kubelet_files(worker)
    killed_at(expired, path, "serves it at", "--gate-timeout", "45s")
    run = made["run"]
    ran = ended(
        expired,
        3,
        *("plan", "-o", str(tmp_path / "new.json"), *expired.ssh_words(), "--nodes", worker.name),
    )
    assert f"LEFT OUT: run {run} has changed it and has not been proven" in ran.out, ran
    assert re.search(r"puts it back at [-0-9]+ [:0-9]+ UTC by its clock", ran.out), ran
    assert f"kubevouch undo {run}" in ran.out, ran
    assert f"NEXT     kubevouch resume {run}\n" in ran.out, ran
    # The reading verbs see no disk, but the Lease.
    for verb in ("doctor", "verify"):
        looked = ended(expired, 1, verb)
        assert f"run {run} may be armed on {worker.name}" in " ".join(looked.out.split()), looked
    replaced = expired.kubevouch("plan", "-o", str(path), *expired.ssh_words())
    assert f"{path} held the plan of run {run}, which was begun" in replaced.err, replaced
    [kept] = re.findall(r"that one is kept in (\S+)", replaced.err)
    assert json.loads(Path(kept).read_text())["run"] == run
    applied = ended(expired, 4, "apply", str(other), "--yes", "--soak", "1s")
    assert f"run {run}" in applied.err, applied
    goes_on = f"kubevouch resume {run}"
    assert f"NEXT     {goes_on}\n" in applied.err, applied
    assert second["run"] != run
    eventually(lambda: kubelet_files(worker) == before, "the switch", seconds=180)
    # Nobody has taken its Lease since, and nothing is left of it.
    stands = expired.kubevouch("status", *expired.ssh_words())
    assert f"Under way  nobody: run {run} of " in stands.out, stands
    eventually(lambda: "KV905" not in expired.kubevouch("doctor").out, "that its switch was due")


@pytest.mark.long_on_the_bed
def test_a_finished_run_begun_again_changes_and_promises_nothing(
    expired: Cluster, tmp_path: Path
) -> None:
    path = tmp_path / "plan.json"
    made = plan(expired, path)
    first = ended(expired, 0, "apply", str(path), "--yes", "--soak", "1s")
    assert "ConfigMap kubelet-config updated" in first.out, first
    again = ended(expired, 0, "apply", str(path), "--yes")
    assert "This will" not in again.err, again
    assert "updated" not in again.out, again
    run = str(made["run"])
    undone = ended(expired, 0, "undo", run, "--yes")
    assert "restarted" in undone.err, undone
    twice = ended(expired, 0, "undo", run, "--yes")
    assert "restarted" not in twice.err, twice
    assert "undone before" in twice.out, twice


@pytest.mark.long_on_the_bed
def test_a_plan_that_leaves_out_every_node_is_not_applied(
    expired: Cluster, worker: Node, tmp_path: Path
) -> None:
    path = tmp_path / "plan.json"
    worker.cut_ssh()
    ran = ended(expired, 3, "plan", "-o", str(path), *expired.ssh_words(), "--nodes", worker.name)
    assert "apply" not in ran.out, ran
    asks_it = rf"^NEXT +ssh .* -- {worker.name} true$"
    plans_anew = rf"^THEN +kubevouch plan -o {path} .*{worker.name}$"
    assert re.search(f"{asks_it}\n{plans_anew}", ran.out, re.MULTILINE), ran
    assert "Undo" not in ran.out, ran
    applied = ended(expired, 3, "apply", str(path), "--yes", "--soak", "1s")
    assert "leaves out" in applied.err, applied
    assert worker.name in applied.err, applied
    assert "approve" not in applied.err, applied


@pytest.mark.long_on_the_bed
def test_nodes_that_were_left_out_are_told_at_the_end_and_by_the_exit_code(
    expired: Cluster, worker: Node, tmp_path: Path
) -> None:
    path = tmp_path / "plan.json"
    worker.cut_ssh()
    others = ",".join(each.name for each in expired.workers[:2])
    made = plan(expired, path, "--nodes", others)
    assert [each["node"] for each in made["left_out"]] == [worker.name]  # type: ignore[attr-defined]
    before = config_map(expired)
    applied = ended(expired, 3, "apply", str(path), "--yes", "--soak", "1s")
    assert "1 of 1 nodes done" in applied.out, applied
    assert f"LEFT OUT: {worker.name}" in applied.out, applied
    assert config_map(expired) == before


@pytest.mark.long_on_the_bed
def test_a_node_taken_out_of_the_plan_by_hand_leaves_the_config_map_alone(
    expired: Cluster, tmp_path: Path
) -> None:
    path = tmp_path / "plan.json"
    made = plan(expired, path)
    taken = made["nodes"].pop(0)  # type: ignore[attr-defined]
    path.write_text(json.dumps(made))
    before = config_map(expired)
    ran = ended(expired, 4, "apply", str(path), "--yes", "--soak", "1s")
    assert "3 of 3 nodes done" in ran.out, ran
    assert f"{taken['node']} is not in this plan" in ran.out, ran
    assert config_map(expired) == before


@pytest.mark.long_on_the_bed
def test_a_plan_that_only_approves_promises_no_backup_and_no_undo(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.state("pending")
    path = tmp_path / "plan.json"
    ran = ended(cluster, 0, "plan", "-o", str(path), *cluster.ssh_words())
    assert "Undo" not in ran.out, ran
    assert "backup" not in ran.out, ran
    assert "seed" not in ran.out, ran
    applied = ended(cluster, 0, "apply", str(path), "--yes", "--soak", "1s")
    assert "undo" not in applied.err.lower(), applied
    assert "Undo" not in applied.out, applied
    run = json.loads(path.read_text())["run"]
    undone = ended(cluster, 0, "undo", run, "--yes")
    assert "changed no node" in undone.err + undone.out, undone
