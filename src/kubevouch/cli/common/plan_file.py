"""Plans as files: written for a person and for `apply`, and read again."""

import errno
import os
import stat
from pathlib import Path

from kubevouch.cli.common.files import write_whole
from kubevouch.errors import UsageError
from kubevouch.named_files import bytes_in
from kubevouch.rollout.decide.plan import Plan
from kubevouch.rollout.decide.plan_text import EXPECTED, plan_in, text_of

_LARGEST = 64 * 1024 * 1024


def write_plan(plan: Plan, path: Path) -> None:
    """Writes the plan whole, or leaves what was there. Raises UsageError if it cannot be written."""
    try:
        _replace(path.resolve(), text_of(plan).encode(), plan.run)
    except OSError as error:
        raise _not_written(path, error.strerror or "") from None


def _replace(path: Path, content: bytes, run: str) -> None:
    """Written beside it and renamed; in place where that cannot be: a pipe, a file in a folder that takes no other."""
    if path.exists() and not (path.is_file() and os.access(path.parent, os.W_OK)):
        path.write_bytes(content)
        return
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    write_whole(path, content, path.with_name(f".{path.name}.{run}"), fresh=True, mode=mode)


def check_may_be_written(path: Path) -> None:
    """Before all nodes are looked at. Raises UsageError if no plan can be written there."""
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
