"""Reads and writes plan files. Stores runs in $XDG_STATE_HOME/kubevouch/runs, for `undo RUN` and `resume RUN`.

RUN.json is the plan. RUN.options has the timeouts that the operator chose, and is written once. Neither contains a
secret.
"""

import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from shlex import join

import msgspec

from kubevouch.errors import UsageError, nearest
from kubevouch.evidence.run_holder import LONGEST_GATES
from kubevouch.evidence.survey import RUN_NAME
from kubevouch.named_files import bytes_in
from kubevouch.rollout.decide.advice import STATUS
from kubevouch.rollout.decide.plan import Plan
from kubevouch.rollout.decide.plan_text import EXPECTED, plan_in, text_of
from kubevouch.rollout.decide.timeouts import USUAL_TIMES, RolloutTimeouts
from kubevouch.rollout.errors import StoppedBefore

_MOST_NAMED = 8
_LARGEST_OPTIONS = 4096
_HINT = (
    "if the run began on another machine, copy its plan from the same folder there, and give the file's path; a plan "
    "that was never applied cannot be resumed or undone"
)


_LARGEST = 64 * 1024 * 1024


def write_plan(plan: Plan, path: Path) -> None:
    """Writes the plan to this file. Raises UsageError if this fails."""
    try:
        path.write_bytes(text_of(plan).encode())
    except OSError as error:
        raise _not_written(path, error.strerror or "") from None


def check_may_be_written(path: Path) -> None:
    """Raises UsageError if the plan's file is not writable. Called before nodes are read."""
    there = path if path.exists() else path.resolve().parent
    if path.is_dir():
        raise _not_written(path, os.strerror(errno.EISDIR))
    if not there.exists():
        raise _not_written(path, os.strerror(errno.ENOENT))
    if not os.access(there, os.W_OK):
        raise _not_written(path, os.strerror(errno.EACCES))


def _not_written(path: Path, why: str) -> UsageError:
    return UsageError(str(path), f"cannot be written: {why}")


def read_plan(path: Path) -> Plan:
    """Reads a plan. Raises UsageError if the file is unreadable, or not a valid plan."""
    data = bytes_in(path, most=_LARGEST, what="any plan", expected=EXPECTED)
    return plan_in(data, str(path))


def runs_folder(environment: Mapping[str, str]) -> Path:
    """The folder of stored runs."""
    state = environment.get("XDG_STATE_HOME") or f"{environment.get('HOME', '.')}/.local/state"
    return Path(state) / "kubevouch" / "runs"


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file atomically: writes PATH.new, syncs it, and renames it.

    Deletes an existing PATH.new first, since it may be a link or a pipe. After an OSError, deletes PATH.new.
    """
    beside = path.with_name(f"{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        with beside.open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    with contextlib.suppress(OSError):  # not every file system can sync a folder
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def keep_run(
    plan: Plan, environment: Mapping[str, str], times: RolloutTimeouts = USUAL_TIMES
) -> None:
    """Stores the plan under the run's name, with the timeouts of the run's first `apply`.

    Raises:
        StoppedBefore: the file cannot be written, or it already has a plan for another run or cluster, or a plan with
        nodes that this plan lacks. A later undo would skip those nodes.
    """
    folder, text = runs_folder(environment), text_of(plan).encode()
    path = folder / f"{plan.run}.json"
    if _loses_nodes(plan, path):
        seen = "has a plan for another run, cluster or set of nodes; nothing was changed"
        raise StoppedBefore(str(path), seen, "make a new plan for these nodes")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        options = path.with_suffix(".options")
        if not options.exists():
            write_whole(options, msgspec.json.encode(times))
        if path.is_file() and path.read_bytes() == text:
            return  # a resumed run needs no space
        write_whole(path, text)
    except OSError as error:
        raise _not_stored(path, error) from None


def _not_stored(path: Path, error: OSError) -> StoppedBefore:
    """The error, with a command that shows the free space or the permissions."""
    there = next(each for each in path.absolute().parents if each.exists())
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    shows = ["df", "-h"] if full else ["ls", "-ld"]
    return StoppedBefore(
        str(path),
        f"cannot store the plan of this run: {error.strerror}; nothing was changed",
        "free some disk space" if full else "expected a writable folder",
        shown_by=[*shows, str(there)],
    )


def _loses_nodes(plan: Plan, path: Path) -> bool:
    """Whether the stored plan is for another run or cluster, or has nodes that this plan lacks."""
    try:
        before = read_plan(path) if path.is_file() else plan
    except UsageError:  # an unreadable plan can undo nothing
        return False
    of_this_run = (before.run, before.cluster.cluster_uid) == (plan.run, plan.cluster.cluster_uid)
    return not of_this_run or not {e.node for e in before.nodes} <= {e.node for e in plan.nodes}


def kept_run(run: str, environment: Mapping[str, str]) -> Path | None:
    """The file of the stored plan; None if the run did not start on this machine."""
    if not re.fullmatch(RUN_NAME, run):
        return None
    path = runs_folder(environment) / f"{run}.json"
    return path if path.is_file() else None


def times_of(run: str, environment: Mapping[str, str]) -> RolloutTimeouts:
    """The timeouts that were stored when the run began; the defaults if this machine has none."""
    path = runs_folder(environment) / f"{run}.options"
    if not (re.fullmatch(RUN_NAME, run) and path.is_file()):
        return USUAL_TIMES
    with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
        found = msgspec.json.decode(file.read(_LARGEST_OPTIONS), type=RolloutTimeouts)
        if 0 <= found.gates <= LONGEST_GATES and found.soak >= 0:
            return found
    return USUAL_TIMES


def kept_here(environment: Mapping[str, str]) -> Callable[[str], bool]:
    """Returns a function that tells whether this machine has a readable plan of a run, as `resume RUN` needs."""
    return lambda run: kept_plan(run, environment) is not None


def kept_plan(run: str, environment: Mapping[str, str]) -> Plan | None:
    """The stored plan of the run; None if it is missing or unreadable."""
    path = kept_run(run, environment)
    try:
        return _own_plan(path) if path is not None else None
    except UsageError:
        return None


def _own_plan(path: Path) -> Plan:
    """Reads a stored plan. Raises UsageError if the file is invalid, or has another run's plan."""
    plan = read_plan(path)
    if plan.run != path.stem:
        seen = f"is the plan of run {plan.run}, not of {path.stem}"
        raise UsageError(str(path), seen, f"expected {plan.run}.json")
    return plan


def find_run(word: str, environment: Mapping[str, str], asked: str) -> Plan:
    """Finds a plan by the run's name or the plan's path. asked: the command line, for errors. Raises UsageError.

    A run's name is never read as a file in the current folder, since somebody else may have created that file.
    """
    try:
        return _found_run(word, environment, asked)
    except UsageError as error:
        # `status` finds the run on its nodes even if no plan is stored here.
        here = kept_run(word, environment) or not re.fullmatch(RUN_NAME, word)
        error.leads_on = (join([*STATUS, *([] if here else [word])]),)
        raise


def _found_run(word: str, environment: Mapping[str, str], asked: str) -> Plan:
    folder = runs_folder(environment)
    if kept_at := kept_run(word, environment):
        return _own_plan(kept_at)
    path = Path(word)
    if path.is_file() and not re.fullmatch(RUN_NAME, word):
        return read_plan(path)
    known = [each.stem for each in _kept_files(environment)]
    kept = f"runs in {folder}, newest first: {', '.join(known[:_MOST_NAMED])}"
    here = kept if known else f"no runs in {folder}"
    raise UsageError(
        asked,
        "no such run on this machine, and no such file",
        nearest(word, known, otherwise=f"{here}; {_HINT}"),
    )


def kept_plans(environment: Mapping[str, str]) -> Iterator[tuple[Path, Plan | None]]:
    """The file and plan of each run that started on this machine, newest first. An unreadable plan is None."""
    for path in _kept_files(environment):
        try:
            yield path, _own_plan(path)
        except UsageError:
            yield path, None


def _kept_files(environment: Mapping[str, str]) -> list[Path]:
    """The stored plans, newest first. Pipes are skipped, since a read from a pipe could block forever."""
    found = [each for each in runs_folder(environment).glob("*.json") if each.is_file()]
    return sorted(found, key=lambda each: each.stat().st_mtime, reverse=True)
