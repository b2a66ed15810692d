"""Commands side by side: every log is shown, the first failure ends the rest and is told, and nothing is left running."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.side_by_side import side_by_side


async def _ran(*lines: str, every: float = 60.0) -> tuple[int, str]:
    said: list[str] = []
    status = await asyncio.wait_for(side_by_side(lines, said.append, every), 60)
    return status, "\n".join(said)


async def test_each_waits_for_none_of_the_others(tmp_path: Path) -> None:
    """Each opens one end of a pipe, which waits for whoever opens the other."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    status, said = await _ran(f"echo hello > {pipe}; echo written", f"cat {pipe} >&2")
    assert status == 0
    assert re.search(r"===== echo hello > .*: exit status 0 after 0 min \d+ s\nwritten\n", said)
    assert re.search(r"===== cat .*: exit status 0 after 0 min \d+ s\nhello\n", said)


async def test_the_first_that_fails_ends_the_others_and_is_told_last(tmp_path: Path) -> None:
    pipe, mark = tmp_path / "pipe", tmp_path / "mark"
    os.mkfifo(pipe)
    long = f"trap 'echo tidied; touch {mark}; exit 9' TERM; echo begun; echo > {pipe}; sleep 3600 & wait"
    status, said = await _ran(long, f"cat {pipe}; echo broken; exit 3")
    assert status == 3
    assert mark.exists()
    assert "begun\ntidied\n" in said
    shown, told = said.rsplit("\n\n", 1)
    assert "broken" in shown
    first, second = told.splitlines()
    assert first.startswith(f"cat {pipe}; echo broken; exit 3: exit status 3 after ")
    assert second.startswith(f"{long}: ended for that, exit status 9 after ")


async def test_a_command_that_was_killed_has_failed() -> None:
    status, said = await _ran("kill -KILL $$")
    assert status == 128 + signal.SIGKILL
    assert "kill -KILL $$: SIGKILL after " in said


async def test_who_waits_sees_now_and_then_what_still_runs(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    said: list[str] = []
    running = asyncio.create_task(
        side_by_side((f"echo first; echo second; cat {pipe}",), said.append, 0.05)
    )
    async with asyncio.timeout(60):
        while not any(each.endswith("s: second") for each in said):
            await asyncio.sleep(0.01)
    pipe.write_text("")
    assert await asyncio.wait_for(running, 60) == 0


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
async def test_whoever_ends_it_ends_them(by: signal.Signals, tmp_path: Path) -> None:
    pipe, mark = tmp_path / "pipe", tmp_path / "mark"
    os.mkfifo(pipe)
    line = f"trap 'touch {mark}; exit' TERM; echo > {pipe}; sleep 3600 & wait"
    words = ("-m", "tests.house.side_by_side", line)
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=subprocess.DEVNULL
    )
    await asyncio.to_thread(pipe.read_text)
    process.send_signal(by)
    assert await asyncio.wait_for(process.wait(), 60) == 130
    assert mark.exists()
