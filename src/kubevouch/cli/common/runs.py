"""Where the plans of runs are kept, so that `undo RUN` finds them: $XDG_STATE_HOME/kubevouch/runs. They hold no secret."""

import re
from collections.abc import Mapping
from pathlib import Path

from kubevouch.errors import UsageError
from kubevouch.rollout.decide.plan import Plan, read_plan, write_plan


def _folder(environment: Mapping[str, str]) -> Path:
    state = environment.get("XDG_STATE_HOME") or f"{environment.get('HOME', '.')}/.local/state"
    return Path(state) / "kubevouch" / "runs"


def keep_run(plan: Plan, environment: Mapping[str, str]) -> None:
    """Keeps the plan under its run's name. Raises UsageError if that cannot be written."""
    folder = _folder(environment)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UsageError(str(folder), f"cannot be made: {error.strerror}") from None
    write_plan(plan, folder / f"{plan.run}.json")


def find_run(word: str, environment: Mapping[str, str]) -> Plan:
    """The plan of a run, by its name or by its file. Raises UsageError."""
    path = Path(word)
    if not re.fullmatch(r"[0-9a-f]{4,32}", word) or path.is_file():
        return read_plan(path)
    kept = _folder(environment) / f"{word}.json"
    if not kept.is_file():
        known = sorted(each.stem for each in kept.parent.glob("*.json"))
        hint = (
            f"runs kept here: {', '.join(known)}" if known else "name the plan's file in its place"
        )
        raise UsageError(word, "no such run is kept on this machine", hint)
    return read_plan(kept)
