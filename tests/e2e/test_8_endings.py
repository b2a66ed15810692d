"""However a run ends, there is a table, a log and the contract's exit code, and what is said next goes on with it."""

import json
import re
import shlex
from pathlib import Path

import pytest

from .cluster import Cluster, Node
from .told import ended, kubelet_files, plan

pytestmark = pytest.mark.long_on_the_bed


def log_of(text: str) -> list[dict[str, object]]:
    """The lines of the log that a run names."""
    [path] = [line.split(maxsplit=1)[1] for line in text.splitlines() if line.startswith("Log  ")]
    assert Path(path).stat().st_mode & 0o777 == 0o600
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_a_second_ctrl_c_ends_it_with_a_table_and_the_way_on_which_then_works(
    expired: Cluster, worker: Node, tmp_path: Path
) -> None:
    path, before = tmp_path / "plan.json", kubelet_files(worker)
    made = plan(expired, path, "--node", worker.name)
    expired.stop_controller_manager()  # so that the run waits for a certificate
    flags = ("--kubeconfig", str(expired.kubeconfig))
    running = expired.start_kubevouch("apply", str(path), "--yes", "--soak", "1s", *flags)
    running.wait_for("restarted")
    running.interrupt()
    running.wait_for("Ctrl-C again stops at once")
    running.interrupt()
    ran = running.finish()
    assert ran.code == 130, ran
    assert "interrupted; the dead-man's switch undoes an" in " ".join(ran.out.split()), ran
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
    assert kubelet_files(worker) == before
