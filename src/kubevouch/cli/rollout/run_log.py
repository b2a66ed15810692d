"""Writes a run's log, for people to read. It is next to the stored plan, with one line of JSON per step.

The file is $XDG_STATE_HOME/kubevouch/runs/RUN.log. Runs only append to this file, and write no secret. Only the owner
can read it; kubevouch itself never does. If writing fails, the run continues.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from kubevouch import __version__
from kubevouch.cli.common.runs import runs_folder
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode
from kubevouch.rollout.act.lease import RunLease
from kubevouch.rollout.decide.plan import Plan
from kubevouch.rollout.decide.result import RunResult
from kubevouch.system_clock import SystemClock

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""O_NONBLOCK: if the path is a pipe, do not wait for a reader. It has no effect on a file."""


class RunLog:
    """The log of one run. Only one process writes it at a time."""

    def __init__(self, run: str, terminal: Terminal, clock: Clock) -> None:
        self.path: Path = runs_folder(terminal.environment) / f"{run}.log"
        self._run = run
        self._terminal = terminal
        self._clock = clock
        self._failed = False

    def write(self, what: str, **fields: object) -> None:
        """Appends a line with time, process, `what` and these fields."""
        line = {"at": self._clock.now(), "run": self._run, "process": os.getpid(), "what": what}
        try:
            self._append(msgspec.json.encode({**line, **fields}) + b"\n")
        except OSError as error:
            if not self._failed:
                self._failed = True
                seen = error.strerror or str(error)
                self._terminal.note(
                    one_line(f"{self.path} cannot be written: {seen}; continuing without it")
                )

    def _append(self, line: bytes) -> None:
        descriptor = os.open(self.path, _FLAGS, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def begun_log(plan: Plan, what: str, lease: RunLease, terminal: Terminal) -> RunLog:
    """Opens the log of a run that is about to write. what: what the run will do."""
    log = RunLog(plan.run, terminal, SystemClock())
    with contextlib.suppress(OSError):  # an undo from a plan's file may be the first run here
        log.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    terminal.note(one_line(f"Log: {log.path}"))
    cluster = plan.cluster
    log.write(
        "begins",
        by=lease.identity,
        version=__version__,
        server=cluster.server,
        clusterUid=cluster.cluster_uid,
        toDo=what,
    )
    return log


@contextlib.contextmanager
def ending_logged(log: RunLog | None) -> Iterator[Callable[[RunResult, ExitCode], None]]:
    """Yields a function that logs the result and the exit code. An error that ends the run is logged, too."""

    def ended(result: RunResult, code: ExitCode) -> None:
        if log:
            log.write("ends", exit=int(code), result=msgspec.to_builtins(result))

    try:
        yield ended
    except BaseException as error:
        if log:
            log.write("ends", error=f"{type(error).__name__}: {error}")
        raise
