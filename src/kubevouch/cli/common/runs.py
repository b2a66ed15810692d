"""Where the plans of runs are kept, so that `undo RUN` finds them: $XDG_STATE_HOME/kubevouch/runs. They hold no secret."""

import re
from collections.abc import Mapping
from pathlib import Path

from kubevouch.cli.common.plan_file import read_plan, write_plan
from kubevouch.errors import UsageError, nearest
from kubevouch.rollout.decide.plan import Plan

_MOST_NAMED = 8


def _written(path: Path) -> float:
    """When the file was written, to sort the newest first."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def runs_folder(environment: Mapping[str, str]) -> Path:
    """Where they are kept."""
    state = environment.get("XDG_STATE_HOME") or f"{environment.get('HOME', '.')}/.local/state"
    return Path(state) / "kubevouch" / "runs"


def keep_run(plan: Plan, environment: Mapping[str, str]) -> None:
    """Keeps the plan under its run's name. Raises UsageError if it cannot be written."""
    folder = runs_folder(environment)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UsageError(str(folder), f"cannot be made: {error.strerror}") from None
    write_plan(plan, folder / f"{plan.run}.json")


def kept_run(run: str, environment: Mapping[str, str]) -> Path | None:
    """Where the plan of the run is kept, from the moment at which the run was begun here; None if it is not."""
    if not re.fullmatch(r"[0-9a-f]{4,32}", run):
        return None
    path = runs_folder(environment) / f"{run}.json"
    return path if path.is_file() else None


def find_run(word: str, environment: Mapping[str, str]) -> Plan:
    """The plan of a run, by its name or by its file. Raises UsageError."""
    path = Path(word)
    if path.is_file():
        return read_plan(path)
    folder = runs_folder(environment)
    if kept_at := kept_run(word, environment):
        return read_plan(kept_at)
    known = [each.stem for each in sorted(folder.glob("*.json"), key=_written, reverse=True)]
    kept = (
        f"kept in {folder}, newest first: {', '.join(known[:_MOST_NAMED])}"
        if known
        else (f"none is kept in {folder}; on another machine, give the plan's file in its place")
    )
    raise UsageError(
        f"undo {word}",
        "there is no such run, and no such file",
        nearest(word, known, otherwise=kept),
    )
