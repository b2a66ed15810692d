"""Tests marked needs_go ask Go itself. Without one that builds the oracle they are skipped; with CI=true they fail."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ORACLE = Path(__file__).parents[2] / "real" / "oracle"


def answers_today(judged: Callable[..., list[Any]], questions: list[Any]) -> list[Any]:
    """What a judge with modules of Kubernetes answers. With CI=true Go may fetch them; elsewhere the test is skipped without them."""
    if os.environ.get("CI") == "true":
        return judged(questions)
    try:
        return judged(questions, fetch=False)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no Go on the PATH, an older one, or without its modules")


def skip_without_go(items: list[pytest.Item]) -> None:
    """Skips the tests marked needs_go where no Go can build the oracle, unless CI=true."""
    marked = [item for item in items if item.get_closest_marker("needs_go")]
    if not marked or os.environ.get("CI") == "true" or _go_is_new_enough():
        return
    for item in marked:
        item.add_marker(pytest.mark.skip(reason="no Go on the PATH, or an older one"))


def _go_is_new_enough() -> bool:
    """The oracle's go.mod names the least version; nothing is fetched to reach it."""
    if not shutil.which("go"):
        return False
    asked = subprocess.run(
        ["go", "list", "-m"],
        cwd=ORACLE,
        env={**os.environ, "GOTOOLCHAIN": "local"},
        capture_output=True,
        check=False,
    )
    return asked.returncode == 0
