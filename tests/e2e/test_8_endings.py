"""However a run ends, there is a table, a log and the contract's exit code, and what is said next goes on with it."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cluster import Cluster, Node
from .told import (
    ended,
    kubelet_files,
    plan,
    shows_as_cut_off,
)

pytestmark = pytest.mark.long_on_the_bed


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


@pytest.mark.parametrize("signal", ["TERM", "INT, twice"])
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


def test_after_a_kill_a_look_without_the_ssh_configuration_leads_to_the_run_and_on_with_its_own_times(
    expired: Cluster, worker: Node, tmp_path: Path
) -> None:
    """The plan was made with --ssh-config: the operator's own ssh knows none of these nodes."""
    path = tmp_path / "plan.json"
    run = str(plan(expired, path, "--nodes", worker.name)["run"])
    expired.stop_controller_manager()  # so that nothing is proven
    words = ("apply", str(path), "--yes", "--soak", "1s", "--gate-timeout", "5m")
    running = expired.start_kubevouch(*words)
    running.wait_for("restarted")
    running.kill()
    expired.start_controller_manager()
    shows_as_cut_off(expired, run)
    ended(expired, 0, "resume", run, "--yes")
    assert expired.kubevouch("undo", run, "--yes").code == 0
