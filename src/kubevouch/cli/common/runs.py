"""Plans as files, and stored runs for `undo RUN`: $XDG_STATE_HOME/kubevouch/runs. It holds no secret.

RUN.json is the plan. RUN.options has the timeouts that its operator has chosen; it is written once.
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
_ELSEWHERE = (
    "a plan that was not applied yet has changed nothing; of a run that was begun on another machine, copy the plan from "
    "there (it lies in the same folder), and give the plan's file in its place"
)


_LARGEST = 64 * 1024 * 1024


def write_plan(plan: Plan, path: Path) -> None:
    """Writes the plan to this file. Raises UsageError if that fails."""
    try:
        path.write_bytes(text_of(plan).encode())
    except OSError as error:
        raise _not_written(path, error.strerror or "") from None


def check_may_be_written(path: Path) -> None:
    """Checks the plan's file before a look at the nodes. Raises UsageError if it cannot be written."""
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
    """Reads a plan. Raises UsageError if the file cannot be read, or is not a valid plan."""
    data = bytes_in(path, most=_LARGEST, what="any plan", expected=EXPECTED)
    return plan_in(data, str(path))


def runs_folder(environment: Mapping[str, str]) -> Path:
    """The folder of all stored runs."""
    state = environment.get("XDG_STATE_HOME") or f"{environment.get('HOME', '.')}/.local/state"
    return Path(state) / "kubevouch" / "runs"


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file beside the record, and renames it: the disk has the former record or the new one, never a part.

    Removes a former file beside it, and never writes through it: it may be a link or a pipe. Raises OSError, and leaves no file
    beside.
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
    """Stores the plan under its run's name, and the timeouts of the first start.

    Raises:
        StoppedBefore: the plan cannot be stored; or the run began with other nodes, which its undo would then forget.
    """
    folder, text = runs_folder(environment), text_of(plan).encode()
    path = folder / f"{plan.run}.json"
    if _would_forget(plan, path):
        seen = "keeps a plan of another run, cluster or nodes; nothing was changed"
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
        raise _not_kept(path, error) from None


def _not_kept(path: Path, error: OSError) -> StoppedBefore:
    """The error, with a command that shows the missing space or right."""
    there = next(each for each in path.absolute().parents if each.exists())
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    shows = ["df", "-h"] if full else ["ls", "-ld"]
    return StoppedBefore(
        str(path),
        f"cannot store the plan of this run: {error.strerror}; nothing was changed",
        "free some space there" if full else "expected a writable folder",
        shown_by=[*shows, str(there)],
    )


def _would_forget(plan: Plan, path: Path) -> bool:
    """Whether an undo by this plan would forget changes of the stored plan."""
    try:
        before = read_plan(path) if path.is_file() else plan
    except UsageError:  # an unreadable plan can undo nothing
        return False
    of_this_run = (before.run, before.cluster.cluster_uid) == (plan.run, plan.cluster.cluster_uid)
    return not of_this_run or not {e.node for e in before.nodes} <= {e.node for e in plan.nodes}


def kept_run(run: str, environment: Mapping[str, str]) -> Path | None:
    """The file of the run's plan, once the run has begun on this machine; else None."""
    if not re.fullmatch(RUN_NAME, run):
        return None
    path = runs_folder(environment) / f"{run}.json"
    return path if path.is_file() else None


def times_of(run: str, environment: Mapping[str, str]) -> RolloutTimeouts:
    """The timeouts of the run's first start; the default ones if none are stored here."""
    path = runs_folder(environment) / f"{run}.options"
    if not (re.fullmatch(RUN_NAME, run) and path.is_file()):
        return USUAL_TIMES
    with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
        found = msgspec.json.decode(file.read(_LARGEST_OPTIONS), type=RolloutTimeouts)
        if 0 <= found.gates <= LONGEST_GATES and found.soak >= 0:
            return found
    return USUAL_TIMES


def kept_here(environment: Mapping[str, str]) -> Callable[[str], bool]:
    """Whether a readable plan of a run is stored here: only then can `resume` find it by its name."""
    return lambda run: kept_plan(run, environment) is not None


def kept_plan(run: str, environment: Mapping[str, str]) -> Plan | None:
    """The plan of the run, if it is stored here and readable."""
    path = kept_run(run, environment)
    try:
        return _own_plan(path) if path is not None else None
    except UsageError:
        return None


def _own_plan(path: Path) -> Plan:
    """The plan in a file with its run's name. Raises UsageError, also for another run's plan."""
    plan = read_plan(path)
    if plan.run != path.stem:
        seen = f"is the plan of run {plan.run}, not of {path.stem}"
        raise UsageError(str(path), seen, "expected each plan under its own run's name")
    return plan


def find_run(word: str, environment: Mapping[str, str], asked: str) -> Plan:
    """The plan of a run, by its name or by its file. asked: the command line, for an error. Raises UsageError.

    A run's name never means a file in the current folder: somebody else may have put it there.
    """
    try:
        return _found_run(word, environment, asked)
    except UsageError as error:
        # The nodes know the run even if no plan is stored here.
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
    kept = f"kept in {folder}, newest first: {', '.join(known[:_MOST_NAMED])}"
    here = kept if known else f"none is kept in {folder}"
    raise UsageError(
        asked,
        "there is no such run here, and no such file",
        nearest(word, known, otherwise=f"{here}; {_ELSEWHERE}"),
    )


def kept_plans(environment: Mapping[str, str]) -> Iterator[tuple[Path, Plan | None]]:
    """Every run that began here, newest first; None for an unreadable plan."""
    for path in _kept_files(environment):
        try:
            yield path, _own_plan(path)
        except UsageError:
            yield path, None


def _kept_files(environment: Mapping[str, str]) -> list[Path]:
    """The stored plans, newest first. Leaves out pipes: reading one would never end."""
    found = [each for each in runs_folder(environment).glob("*.json") if each.is_file()]
    return sorted(found, key=lambda each: each.stat().st_mtime, reverse=True)
