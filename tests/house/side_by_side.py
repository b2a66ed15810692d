"""Several command lines at the same time, each with a log of its own: `.ci/run` calls it.

    python -m tests.house.side_by_side "make check" "make real-build"

A log is printed whole once its command has ended. The first command that fails ends the others, by SIGTERM to all of their
processes; what they are told then is theirs to do, such as taking down what they have booted.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

EVERY = 60.0
"""Seconds between two lines about what still runs: a runner may take a long silence for a hang."""
PATIENCE = 180.0
"""Seconds for a command that was told to end: the bed takes down its machines."""

Say = Callable[[str], None]


@dataclass(eq=False)
class Running:
    """A command that was started, the leader of a process group of its own. status: once it has ended."""

    line: str
    log: Path
    process: asyncio.subprocess.Process
    began: float = field(default_factory=time.monotonic)
    status: int | None = None
    took: str = ""

    async def end(self) -> None:
        """Returns when it has ended."""
        self.status = await self.process.wait()
        self.took = _duration(time.monotonic() - self.began)

    def signal(self, what: signal.Signals) -> None:
        """To all of its processes that are still there."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, what)

    @property
    def whole(self) -> str:
        """Its log under a headline."""
        return f"\n===== {self.line}: {self.ended}\n{self._text()}"

    @property
    def ended(self) -> str:
        """How, and after how long."""
        return f"{_words(self.status)} after {self.took}"

    @property
    def so_far(self) -> str:
        """One line for somebody who waits."""
        last = next((each for each in reversed(self._text().splitlines()) if each.strip()), "")
        return f"{self.line}: {_duration(time.monotonic() - self.began)}: {last[-100:]}"

    def _text(self) -> str:
        return self.log.read_text("utf-8", "replace")


async def side_by_side(lines: Sequence[str], say: Say, every: float = EVERY) -> int:
    """The exit status: 0 if all have ended well, or that of the first which has failed."""
    with TemporaryDirectory() as folder:
        running = [
            await _started(line, Path(folder) / str(number)) for number, line in enumerate(lines)
        ]
        waited_for = {asyncio.create_task(each.end()): each for each in running}
        try:
            failed = await _first_failure(waited_for, say, every)
        finally:  # also where this program is told to end
            others = list(waited_for.values())
            await _stopped(waited_for)
        if failed is None:
            return 0
        for other in others:
            say(other.whole)
        say(failed.whole)
        say(f"\n{failed.line}: {failed.ended}")
        for other in others:
            say(f"{other.line}: ended for that, {other.ended}")
    return _as_shells_say(failed.status)


async def _started(line: str, log: Path) -> Running:
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", line),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    return Running(line, log, process)


async def _first_failure(
    waited_for: "dict[asyncio.Task[None], Running]", say: Say, every: float
) -> Running | None:
    """Takes out those that have ended, and prints the logs of those that have ended well."""
    while waited_for:
        done, _ = await asyncio.wait(waited_for, timeout=every, return_when=asyncio.FIRST_COMPLETED)
        ended = [waited_for.pop(task) for task in done]
        failed = next((each for each in ended if each.status), None)
        for each in ended:
            if each is not failed:
                say(each.whole)
        if failed is not None:
            return failed
        if not ended:
            for each in waited_for.values():
                say(each.so_far)
    return None


async def _stopped(waited_for: "dict[asyncio.Task[None], Running]") -> None:
    """Told to end, and killed where they do not."""
    for what in (signal.SIGTERM, signal.SIGKILL):
        for each in waited_for.values():
            each.signal(what)
        if not waited_for:
            return
        done, _ = await asyncio.wait(waited_for, timeout=PATIENCE)
        for task in done:
            waited_for.pop(task)


def _as_shells_say(status: int | None) -> int:
    assert status is not None
    return status if status >= 0 else 128 - status


def _words(status: int | None) -> str:
    if status is not None and status < 0:
        return signal.Signals(-status).name
    return f"exit status {status}"


def _duration(seconds: float) -> str:
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


async def _interruptible(lines: Sequence[str]) -> int:
    """Ctrl-C and SIGTERM end all of them."""
    task = asyncio.ensure_future(side_by_side(lines, lambda text: print(text, flush=True)))
    for what in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(what, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return 130


if __name__ == "__main__":
    sys.exit(asyncio.run(_interruptible(sys.argv[1:])))
