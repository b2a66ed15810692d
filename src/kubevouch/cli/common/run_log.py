"""The log of a run on this machine, beside its plan: $XDG_STATE_HOME/kubevouch/runs/RUN.log, a line of JSON a step.

It is only appended to, its owner alone may read it, and each line is on the disk before the run goes on. It holds no secret.
A log that cannot be written stops no run.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec

from kubevouch import __version__
from kubevouch.cli.common.runs import runs_folder
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode
from kubevouch.evidence.run_holder import RunHolder
from kubevouch.rollout.act.context import ProgressReport
from kubevouch.rollout.act.lease import RunLease
from kubevouch.rollout.decide.armed import ArmedNode
from kubevouch.rollout.decide.plan import Plan
from kubevouch.rollout.decide.result import RunResult
from kubevouch.rollout.decide.stopped_undo import LoggedUndo
from kubevouch.system_clock import SystemClock

_TAIL = 4 * 1024 * 1024
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class _Entry(msgspec.Struct, frozen=True):
    """What is read of a line."""

    what: str
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    process: int
    by: str = ""
    cluster_uid: str = ""
    error: str = ""
    result: RunResult | None = None


class RunLog:
    """One run's log, written by one process; several may have written it one after the other."""

    def __init__(self, run: str, terminal: Terminal, clock: Clock) -> None:
        self.path: Path = runs_folder(terminal.environment) / f"{run}.log"
        self._run = run
        self._terminal = terminal
        self._clock = clock
        self._failed = False

    def write(self, what: str, **fields: object) -> None:
        """A line: when, which process, what, and these fields."""
        line = {"at": self._clock.now(), "run": self._run, "process": os.getpid(), "what": what}
        try:
            self._append(msgspec.json.encode({**line, **fields}) + b"\n")
        except OSError as error:
            if not self._failed:
                self._failed = True
                seen = error.strerror or str(error)
                self._terminal.note(
                    one_line(f"{self.path} cannot be written: {seen}; the run goes on without it")
                )

    def _append(self, line: bytes) -> None:
        descriptor = os.open(self.path, _FLAGS, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            if os.write(descriptor, line) < len(line):
                os.write(descriptor, b"\n")  # the next line begins one of its own
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@dataclass
class LoggedProgress:
    """A report of progress that is written down, too. What is waited for is written once, not each time that it is looked at."""

    progress: ProgressReport
    log: RunLog
    _waits: dict[str, str] = field(default_factory=dict)

    def step(self, node: str, text: str) -> None:
        """As the report does."""
        self._waits.pop(node, None)
        self.log.write("step", node=node, text=text)
        self.progress.step(node, text)

    def waiting(self, node: str, text: str) -> None:
        """As the report does."""
        if self._waits.get(node) != text:
            self._waits[node] = text
            self.log.write("waits", node=node, text=text)
        self.progress.waiting(node, text)

    def ended(self, node: str, text: str) -> None:
        """As the report does."""
        self._waits.pop(node, None)
        self.log.write("ended", node=node, text=text)
        self.progress.ended(node, text)

    def whole(self, text: str) -> None:
        """As the report does."""
        self.progress.whole(text)


def how_it_ended(run: str, environment: Mapping[str, str]) -> str:
    """By its log on this machine, for a person: what its nodes came to, or that it has no end there; empty without a log."""
    for entry in _newest_first(run, environment):
        if entry.what == "begins":
            return "it has begun, and its log has no end: it is under way, or was cut off"
        if entry.what == "ends" and entry.result is None:
            return f"ended by {entry.error}" if entry.error else ""
        if entry.what == "ends" and entry.result is not None:
            outcomes = Counter(each.outcome for each in entry.result.nodes)
            came_to = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
            return f"ended with {came_to}" if came_to else ""
    return ""


def undos_in(run: str, environment: Mapping[str, str]) -> tuple[LoggedUndo, ...]:
    """The undos of that run by its log here since it was last carried out, the newest last; none if the last has not ended."""
    undos: list[LoggedUndo] = []
    ends: dict[int, _Entry] = {}
    last = True
    for entry in _newest_first(run, environment):
        if entry.what == "ends":
            ends.setdefault(entry.process, entry)
        if entry.what != "begins":
            continue
        end, by = ends.pop(entry.process, None), _begun_by(entry)
        if not by.undoes or (last and end is None):
            break
        last = False
        if end is not None and end.result is not None:
            undos.append(LoggedUndo(end.result, by.undone_nodes, end.at))
    return tuple(reversed(undos))


def has_run_begun_since(moment: datetime, cluster_uid: str, environment: Mapping[str, str]) -> bool:
    """Whether this machine has begun to carry out some run on that cluster since, by the logs here."""
    for path in runs_folder(environment).glob("*.log"):
        for entry in _newest_first(path.stem, environment):
            if entry.at <= moment:
                break
            ours = entry.what == "begins" and entry.cluster_uid == cluster_uid
            if ours and not _begun_by(entry).undoes:
                return True
    return False


def _begun_by(entry: _Entry) -> RunHolder:
    return RunHolder(entry.by, None, timedelta())


def _newest_first(run: str, environment: Mapping[str, str]) -> Iterator[_Entry]:
    """The lines of its log that can be read: the last one may have been cut off."""
    for line in reversed(_last_lines(runs_folder(environment) / f"{run}.log")):
        with contextlib.suppress(msgspec.DecodeError):
            yield msgspec.json.decode(line, type=_Entry)


def _last_lines(path: Path) -> list[bytes]:
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return file.read(_TAIL).splitlines()
    return []


def log_armed(log: RunLog, node: str, armed: ArmedNode | None) -> None:
    """How a node is or may be armed from now on."""
    fields: Mapping[str, object] = (
        {"armed": True, "fires": armed.fires, "sure": armed.sure} if armed else {"armed": False}
    )
    log.write("armed", node=node, **fields)


def begun_log(plan: Plan, what: str, lease: RunLease, terminal: Terminal) -> RunLog:
    """The log of a run that begins to write now. what: it is about to do."""
    log = RunLog(plan.run, terminal, SystemClock())
    with contextlib.suppress(
        OSError
    ):  # an undo from a plan's file may be the first thing done here
        log.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    terminal.note(one_line(f"Log: {log.path}"))
    cluster = plan.cluster
    log.write(
        "begins",
        by=lease.identity,
        version=__version__,
        server=cluster.server,
        cluster_uid=cluster.cluster_uid,
        to_do=what,
    )
    return log


@contextlib.contextmanager
def ending_logged(log: RunLog | None) -> Iterator[Callable[[RunResult, ExitCode], None]]:
    """Called with the result of a run or an undo, and what the process will exit with; an error that ends it without one is written down, too."""

    def ended(result: RunResult, code: ExitCode) -> None:
        if log:
            log.write("ends", exit=int(code), result=msgspec.to_builtins(result))

    try:
        yield ended
    except BaseException as error:
        if log:
            log.write("ends", error=f"{type(error).__name__}: {error}")
        raise
