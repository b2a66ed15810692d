"""Starting other programs: a list of words, a time limit, and an error that shows the program's own last words."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from real.errors import BedError

Done = subprocess.CompletedProcess[str]
A = TypeVar("A")
B = TypeVar("B")


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | bytes = "",
    folder: Path | None = None,
    seconds: float = 120,
    check: bool = True,
) -> Done:
    """Runs a program to its end and returns its output as text.

    Raises:
        BedError: it did not end in time, or `check` and its status is not 0.
    """
    words = [str(word) for word in argv]
    sent = stdin if isinstance(stdin, bytes) else stdin.encode()
    pipe = subprocess.PIPE
    try:
        started = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, cwd=folder)
    except OSError as failed:
        raise BedError(_shown(words), f"cannot be started: {failed.strerror}") from failed
    with started:
        try:
            out, err = started.communicate(sent, timeout=seconds)
        except subprocess.TimeoutExpired as late:
            _end(started.pid)
            raise BedError(_shown(words), f"still running after {seconds:.0f} s") from late
        except BaseException:  # interrupted
            _end(started.pid)
            raise
    done = Done(
        words, started.returncode, out.decode(errors="replace"), err.decode(errors="replace")
    )
    if check and done.returncode != 0:
        raise BedError(_shown(words), f"status {done.returncode}: {_last_words(done)}")
    return done


def held(argv: Sequence[str | Path]) -> list[str | Path]:
    """The same program, but it and all that it starts ends when we are killed, and its mounts with it."""
    return [
        *("setpriv", "--pdeathsig", "KILL"),
        *("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--"),
        *argv,
    ]


def at_once(work: Callable[[A], B], items: Iterable[A]) -> list[B]:
    """The same work on all items at the same time; results in order. The first error is raised after all ended."""
    every = list(items)
    with ThreadPoolExecutor(max_workers=max(1, len(every))) as pool:
        return [each.result() for each in [pool.submit(work, item) for item in every]]


def _end(process: int) -> None:
    """Ends a process that we still wait for, and all below it: what it started may hold our pipes open for ever."""
    for task in Path(f"/proc/{process}/task").glob("*"):
        with suppress(OSError):
            for child in (task / "children").read_text().split():
                _end(int(child))
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _shown(words: Sequence[str]) -> str:
    text = " ".join(words)
    return text if len(text) <= 160 else text[:157] + "..."


def _last_words(done: Done) -> str:
    text = (done.stderr.strip() or done.stdout.strip())[-2000:]
    return text or "it said nothing"
