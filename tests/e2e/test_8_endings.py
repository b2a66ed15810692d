"""However a run ends, there is a table, a log and the contract's exit code: signals, a full disk here, temporary files gone."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cluster import Cluster, Node
from .told import (
    ended,
    kubelet_files,
    plan,
)

pytestmark = pytest.mark.long_on_the_bed


@pytest.fixture
def expired(cluster: Cluster) -> Cluster:
    cluster.state("expired")
    return cluster


@pytest.fixture
def worker(expired: Cluster) -> Iterator[Node]:
    """A worker on which no run is left armed after the test."""
    node = expired.workers[0]
    before = kubelet_files(node)
    yield node
    expired.start_controller_manager()
    status = json.loads(expired.kubevouch("status", "-o", "json", *expired.ssh_words()).out)
    for each in status["nodes"]:
        if each["state"] == "armed":
            expired.kubevouch("undo", each["run"], "--yes")
    assert kubelet_files(node) == before


def log_of(text: str) -> list[dict[str, object]]:
    """The lines of the log that a run names."""
    [path] = [line.split(maxsplit=1)[1] for line in text.splitlines() if line.startswith("Log  ")]
    assert Path(path).stat().st_mode & 0o777 == 0o600
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


@pytest.mark.parametrize("signal", ["TERM", "HUP", "INT, twice"])
def test_a_signal_ends_it_with_a_table_and_the_way_on_which_then_works(
    expired: Cluster, worker: Node, tmp_path: Path, signal: str
) -> None:
    path = tmp_path / "plan.json"
    made = plan(expired, path, "--nodes", worker.name)
    expired.stop_controller_manager()  # so that the run waits for a certificate
    flags = ("--kubeconfig", str(expired.kubeconfig))
    running = expired.start_kubevouch("apply", str(path), "--yes", "--soak", "1s", *flags)
    running.wait_for("restarted")
    if signal == "INT, twice":
        running.interrupt()
        running.wait_for("Ctrl-C again stops at once")
        running.interrupt()
    else:
        running.end(signal)
    ran = running.finish()
    assert ran.code == 130, ran
    assert "stopped at once; its own switch puts it back" in " ".join(ran.out.split()), ran
    assert f"NEXT     kubevouch resume {made['run']} {shlex.join(flags)}\n" in ran.out, ran
    assert re.search(rf"{worker.name} may be armed by run {made['run']}: .* in \d+ s", ran.err), ran
    lines = log_of(ran.out)
    assert (lines[0]["what"], lines[-1]["what"], lines[-1]["exit"]) == ("begins", "ends", 130)
    looked = ended(expired, 1, "status", str(made["run"]))
    assert f"NEXT       kubevouch resume {made['run']}\n" in looked.out, looked
    expired.start_controller_manager()
    ended(expired, 0, "resume", str(made["run"]), "--yes")
    assert expired.kubevouch("status", str(made["run"])).code == 0
    ended(expired, 0, "undo", str(made["run"]), "--yes")


def test_a_run_that_was_stopped_in_order_is_shown_by_a_status_without_its_name(
    expired: Cluster, worker: Node, tmp_path: Path
) -> None:
    """No node is armed, and nobody holds the Lease: what is left to do is known by its plan, and by what the nodes have not."""
    path = tmp_path / "plan.json"
    made = plan(expired, path, "--nodes", ",".join(each.name for each in expired.workers[:2]))
    running = expired.start_kubevouch("apply", str(path), "--yes", "--soak", "10m")
    running.wait_for("the soak of")
    running.interrupt()
    ran = running.finish()
    assert ran.code == 130, ran
    looked = ended(expired, 0, "status", *expired.ssh_words())
    assert "Under way  nobody\n" in looked.out, looked
    assert f"NEXT       kubevouch resume {made['run']}" in looked.out, looked
    ended(expired, 0, "undo", str(made["run"]), "--yes")


def test_an_undo_that_was_stopped_in_order_is_gone_on_with_on_the_nodes_that_are_left(
    expired: Cluster, worker: Node, tmp_path: Path
) -> None:
    """It has given the Lease back: what is left is known by what still stands on the nodes."""
    path, nodes = tmp_path / "plan.json", expired.workers[:2]
    before = [kubelet_files(each) for each in nodes]
    made = plan(expired, path, "--nodes", ",".join(each.name for each in nodes))
    ended(expired, 0, "apply", str(path), "--yes", "--soak", "1s")
    running = expired.start_kubevouch("undo", str(made["run"]), "--yes")
    running.wait_for("former files in place")
    running.interrupt()
    ran = running.finish()
    assert ran.code == 130, ran
    looked = ended(expired, 0, "status", str(made["run"]))
    command = f"undo {made['run']}"
    assert f"to put back what it has not: `kubevouch {command}" in " ".join(looked.out.split())
    done = ended(expired, 0, *shlex.split(command), "--yes")
    [aside] = re.findall(r"^Aside +(\S+/strays) on each node", done.out, re.MULTILINE)
    assert "kubelet-server-current.pem" in nodes[1].sh(f"ls {aside}").stdout, done
    assert [kubelet_files(each) for each in nodes] == before


def test_temporary_files_that_are_gone_mid_run_end_it_with_a_table_and_the_node_is_put_back(
    expired: Cluster, worker: Node, tmp_path: Path
) -> None:
    path, temporary = tmp_path / "plan.json", tmp_path / "tmp"
    temporary.mkdir()
    plan(expired, path, "--nodes", worker.name)
    expired.stop_controller_manager()
    words = ("apply", str(path), "--yes", "--soak", "1s", "--gate-timeout", "15s")
    running = expired.start_kubevouch(*words, under=("env", f"TMPDIR={temporary}"))
    running.wait_for("restarted")
    shutil.rmtree(temporary)
    ran = running.finish()
    assert ran.code in (4, 5), ran
    assert f"{worker.name}  " in ran.out, ran
    assert log_of(ran.out)[-1]["what"] == "ends"
