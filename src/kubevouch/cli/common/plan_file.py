"""Plans as files: written for a person and for `fix --apply`, and read again."""

from pathlib import Path

from kubevouch.cli.common.files import bytes_in
from kubevouch.errors import UsageError
from kubevouch.rollout.decide.plan import EXPECTED, Plan, plan_in, text_of

_LARGEST = 64 * 1024 * 1024


def write_plan(plan: Plan, path: Path) -> None:
    """Writes the plan. Raises UsageError if it cannot be written."""
    try:
        path.write_text(text_of(plan), encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(str(path), f"cannot be written: {error.strerror}") from None


def read_plan(path: Path) -> Plan:
    """Reads a plan. Raises UsageError if the file cannot be read, or is not a valid plan."""
    data = bytes_in(path, most=_LARGEST, what="any plan", expected=EXPECTED)
    return plan_in(data, str(path))
