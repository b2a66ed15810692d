"""The shells that a node's `sh` may be."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.rows import only_long

SHELLS = ("dash", "bash", "busybox")

FIRST_SHELL = (SHELLS[0], *(only_long(each) for each in SHELLS[1:]))
"""Of a long table, whose decisive cases another test runs on each: the others only in the long tier."""


def becomes_sh(shell: str, folder: Path) -> None:
    """Makes `sh` in this folder that shell; skips the test where this machine has none."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not on this machine")
    (folder / "sh").unlink(missing_ok=True)
    (folder / "sh").symlink_to(program)


def place(folder: Path, programs: Mapping[str, str]) -> None:
    """Puts programs into this folder, each in the place of what bore its name."""
    folder.mkdir(exist_ok=True)
    for name, text in programs.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
