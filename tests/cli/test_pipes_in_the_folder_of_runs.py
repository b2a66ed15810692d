"""A named pipe in the folder of runs, which is nobody's record: what reads that folder passes it over, and what writes waits for no reader."""

import os
import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from kubevouch.cli.common.runs import kept_here, kept_plans, times_of
from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.rollout.run_log import RunLog
from kubevouch.rollout.decide.timeouts import USUAL_TIMES
from kubevouch.system_clock import SystemClock


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "kubevouch" / "runs"
    folder.mkdir(parents=True)
    for ending in ("json", "options", "log"):
        os.mkfifo(folder / f"abcd.{ending}")
    return {"XDG_STATE_HOME": str(tmp_path)}


READERS: dict[str, Callable[[dict[str, str]], object]] = {
    "the plans": lambda it: list(kept_plans(it)),
    "a plan": lambda it: kept_here(it)("abcd"),
    "its times": lambda it: times_of("abcd", it) != USUAL_TIMES,
}


def ends(work: Callable[[], object]) -> object:
    """What it returns. It fails if that takes for ever."""
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    thread.join(20)
    assert found, "it waits for somebody at the other end of a pipe"
    return found[0]


@pytest.mark.parametrize("what", READERS)
def test_nobody_waits_for_what_may_be_written_there(what: str, environment: dict[str, str]) -> None:
    assert not ends(lambda: READERS[what](environment))


def test_a_log_whose_place_a_pipe_has_taken_stops_no_run(environment: dict[str, str]) -> None:
    err = StringIO()
    log = RunLog("abcd", Terminal(None, StringIO(), err, environment), SystemClock())

    def told() -> str:
        log.write("step")
        return err.getvalue()

    assert "cannot be written" in str(ends(told))
