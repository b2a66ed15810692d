"""What a run says while a script is under way on a node: nothing as long as it takes the time that it takes by itself."""

import asyncio
import io
import os
from datetime import timedelta
from pathlib import Path

import pytest

from kubevouch.cli.common.progress import Progress
from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.rollout.context import WatchedTransport
from kubevouch.node.script import ANSWER_MARK, Script
from kubevouch.rollout.decide.kubelet_watch import watch_script
from tests.support.clocks import WoundClock
from tests.support.local_shell import Local


async def lines_after(script: Script[dict[str, int]], pipe: Path, *seconds: int) -> list[str]:
    """What is said after each of these waits, of a script in a real shell that ends when the pipe is read."""
    clock, said = WoundClock(), io.StringIO()
    progress = Progress(Terminal(None, None, said, {}), clock)
    transport = WatchedTransport(Local(environment=os.environ), progress)
    running = asyncio.create_task(transport.run_script("n1", script, timeout=120))
    shown = []
    await asyncio.sleep(0)  # it has begun
    for each in seconds:
        clock.wind(timedelta(seconds=each))
        progress.tick()
        shown.append(said.getvalue())
        said.seek(0)
        said.truncate()
    await asyncio.to_thread(pipe.read_text)
    assert (await running).answer == {"n": 1}
    return shown


def until_read(pipe: Path, takes: float) -> Script[dict[str, int]]:
    os.mkfifo(pipe)
    text = f"echo > '{pipe}'\necho '{ANSWER_MARK}{{\"n\": 1}}'"
    return Script("watch", text, dict[str, int], takes)


@pytest.mark.parametrize(("takes", "seconds"), [(20, (21, 2)), (0, (1, 1))])
async def test_a_script_is_waited_for_from_the_time_on_that_it_takes_by_itself(
    tmp_path: Path, takes: int, seconds: tuple[int, int]
) -> None:
    pipe = tmp_path / "pipe"
    soon, later = await lines_after(until_read(pipe, takes), pipe, *seconds)
    assert soon == ""
    assert later.endswith("n1  running the watch script (local)\n"), later


def test_a_watch_takes_as_long_as_it_watches_or_until_the_kubelet_has_stayed_up() -> None:
    assert watch_script(20).takes == 20
    assert watch_script(45, steady=5).takes == 5
