"""What the logs of runs on this machine tell: what each came to, and which undos were stopped. It reads only."""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec

from kubevouch.cli.common.runs import runs_folder
from kubevouch.evidence.run_holder import RunHolder
from kubevouch.evidence.survey import RUN_NAME
from kubevouch.rollout.decide.armed import ArmedNode
from kubevouch.rollout.decide.attempts import LoggedAttempt, undos_among, what_it_came_to
from kubevouch.rollout.decide.result import RunResult
from kubevouch.rollout.decide.stopped_undo import LoggedUndo
from kubevouch.rollout.decide.timeouts import RolloutTimeouts

_TAIL = 4 * 1024 * 1024
_ASKS = 100
"""How often it is asked who has locked a log, while others ask the same."""
_OF_A_NODE = ("armed", "step", "ended")
"""Lines about a node that was in hand."""


class _Entry(msgspec.Struct, frozen=True):
    """What is read of a line."""

    what: str
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    process: int
    run: str = ""
    by: str = ""
    cluster_uid: str = ""
    gate_timeout: float | None = None
    soak: float | None = None
    error: str = ""
    result: RunResult | None = None
    node: str = ""
    armed: bool = False
    fires: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    sure: bool = True


def how_it_ended(run: str, environment: Mapping[str, str]) -> str:
    """By its log on this machine, for a person: what its nodes came to, or that it has no end there; empty without a log."""
    attempts = [each for each, _ in _attempts(run, environment)]
    return what_it_came_to(attempts, under_way=is_being_written(run, environment))


def is_being_written(run: str, environment: Mapping[str, str]) -> bool | None:
    """Whether a process lives that writes the log of that run; None where that cannot be told (a file system without locks, no log)."""
    path = runs_folder(environment) / f"{run}.log"
    if not path.is_file():
        return None
    with contextlib.suppress(OSError), path.open("rb") as file:
        for _ in range(_ASKS):
            if _locks(file, fcntl.LOCK_EX):
                return False
            if _locks(file, fcntl.LOCK_SH):  # as whoever writes it has locked it
                return True
            os.sched_yield()  # somebody else asks, who has locked it alone for an instant
    return None


def _locks(file: BinaryIO, how: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(file, how | fcntl.LOCK_NB)
        return True
    return False


def has_no_end(run: str, environment: Mapping[str, str], *, undone: bool = False) -> bool:
    """Whether who carried it out last, by its log here, has no end there. undone: or who undid it. It may still be under way."""
    last = _last_attempt(run, environment)
    return last is not None and (undone or not last.undoes) and last.ended is None


def last_end_of(run: str, environment: Mapping[str, str]) -> tuple[datetime, RunResult] | None:
    """When and how it ended when it was carried out from here; None if its log has no such result, or an undo came after it."""
    last = _last_attempt(run, environment)
    if last is None or last.undoes or last.ended is None or last.result is None:
        return None
    return last.ended, last.result


def is_through(run: str, environment: Mapping[str, str]) -> bool:
    """Whether it ended here with every node of its plan done, and nobody has undone it from here since."""
    end = last_end_of(run, environment)
    return end is not None and end[1].is_through


def is_worth_a_look(run: str, cluster_uid: str, environment: Mapping[str, str]) -> bool:
    """Whether its log has no end, and no other run has begun on its cluster from here since: whoever began that has decided anew."""
    last = _last_attempt(run, environment)
    if last is None or last.ended is not None:
        return False
    return not has_run_begun_since(last.began, cluster_uid, environment)


def switches_due_by(run: str, environment: Mapping[str, str]) -> datetime | None:
    """When the last of the switches was due that it had left set, by its log here, when it was cut off; None if it had no node in hand, or has an end."""
    if not has_no_end(run, environment, undone=True) or is_being_written(run, environment):
        return None
    return max((each.fires for each in in_hand_by_log(run, environment)), default=None)


def in_hand_by_log(run: str, environment: Mapping[str, str]) -> tuple[ArmedNode, ...]:
    """The nodes that it had in hand last, as far as its log here says; whoever has asked them since does not write there."""
    hand: dict[str, ArmedNode] = {}
    for entry in reversed(list(_newest_first(run, environment))):
        if entry.what == "armed":
            hand.pop(entry.node, None)
            if entry.armed and entry.fires is not None:
                hand[entry.node] = ArmedNode(run, entry.node, entry.fires, entry.sure)
    return tuple(hand.values())


def cluster_of(run: str, environment: Mapping[str, str]) -> str:
    """UID of the cluster on which it was begun from here, by its log; empty where that does not say."""
    uids = (each.cluster_uid for each in _newest_first(run, environment))
    return next(filter(None, uids), "")


def times_of(run: str, environment: Mapping[str, str]) -> RolloutTimeouts | None:
    """Those that it was last carried out with from this machine; None where its log here does not say."""
    for entry in _newest_first(run, environment):
        if entry.gate_timeout is not None and entry.soak is not None:
            return RolloutTimeouts(entry.gate_timeout, entry.soak)
    return None


def was_begun_here(identity: str, environment: Mapping[str, str]) -> bool:
    """Whether that holder of the Lease is or was a process of this machine, by the log here of its run."""
    run = RunHolder(identity, None, timedelta()).run
    if not re.fullmatch(RUN_NAME, run):  # a Lease may say anything
        return False
    return any(entry.by == identity for entry in _newest_first(run, environment))


def as_known_here(holder: RunHolder, environment: Mapping[str, str]) -> RunHolder:
    """The holder of the Lease; with the word that its process has ended, if it was the last one that carried out or undid its run here.

    A process gives the Lease back before it lets its log go, so one that holds it without a log was cut off.
    """
    run = holder.run
    if not re.fullmatch(RUN_NAME, run) or is_being_written(run, environment) is not False:
        return holder
    begun = (entry.by for entry in _newest_first(run, environment) if entry.what == "begins")
    return replace(holder, is_gone=True) if next(begun, "") == holder.identity else holder


def undos_in(run: str, environment: Mapping[str, str]) -> tuple[LoggedUndo, ...]:
    """The undos of that run by its log here since it was last carried out, the newest last; none if the last has not ended."""
    return undos_among(each for each, _ in _attempts(run, environment))


def has_run_begun_since(moment: datetime, cluster_uid: str, environment: Mapping[str, str]) -> bool:
    """Whether this machine has carried out some run on that cluster since, by the logs here. One that ended before it had changed anything has not begun."""
    for path in runs_folder(environment).glob("*.log"):
        for attempt, cluster in _attempts(path.stem, environment, since=moment):
            if cluster == cluster_uid and not attempt.undoes and not attempt.changed_nothing:
                return True
    return False


def _last_attempt(run: str, environment: Mapping[str, str]) -> LoggedAttempt | None:
    return next((each for each, _ in _attempts(run, environment)), None)


def _attempts(
    run: str, environment: Mapping[str, str], since: datetime | None = None
) -> Iterator[tuple[LoggedAttempt, str]]:
    """Its attempts by its log, the newest first, each with the UID of its cluster. since: only those that have begun later."""
    ends: dict[int, _Entry] = {}
    had_nodes: set[int] = set()
    found_done: _Entry | None = None
    for entry in _newest_first(run, environment):
        if since is not None and entry.at <= since:
            return
        if entry.what == "ends":
            ends.setdefault(entry.process, entry)
        elif entry.what == "finds":
            found_done = found_done or entry
        elif entry.what in _OF_A_NODE:
            had_nodes.add(entry.process)
        elif entry.what == "begins":
            by = RunHolder(entry.by, None, timedelta())
            end = ends.pop(entry.process, None) or (None if by.undoes else found_done)
            yield (
                LoggedAttempt(
                    by.undoes,
                    by.undone_nodes,
                    entry.at,
                    end.at if end else None,
                    end.result if end else None,
                    end.error if end else "",
                    entry.process in had_nodes,
                ),
                entry.cluster_uid,
            )
            had_nodes.discard(entry.process)
            found_done = None


def _newest_first(run: str, environment: Mapping[str, str]) -> Iterator[_Entry]:
    """The lines of its log that can be read, and are about it: the last one may have been cut off, and another run's log copied here."""
    for line in reversed(_last_lines(runs_folder(environment) / f"{run}.log")):
        if (entry := _entry_in(line)) and entry.run in ("", run):
            yield entry


def _entry_in(line: bytes) -> _Entry | None:
    """What that line says; None if it was damaged. To msgspec a text that is not UTF-8 is a ValueError of its own."""
    with contextlib.suppress(msgspec.DecodeError, ValueError, RecursionError):
        return msgspec.json.decode(line, type=_Entry)
    return None


def _last_lines(path: Path) -> list[bytes]:
    if not path.is_file():
        return []
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return file.read(_TAIL).splitlines()
    return []
