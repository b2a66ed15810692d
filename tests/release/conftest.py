"""A release of this commit: a clone with a tag, and the dist/ that `make release` builds of it. Once for all of these tests."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PYTHON = CHECKOUT / ".venv-release" / "bin" / "python"
TAG = "v0.1.0"
VERSION = "0.1.0"


@dataclass(frozen=True)
class Released:
    """The clone, its tag, and what was built."""

    clone: Path
    dist: Path
    said: str


def shell(*words: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """Runs a program, and returns what it printed. A failure shows both its outputs."""
    ran = subprocess.run(
        [str(each) for each in words],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This commit without a tag, as `git clone` gives it."""
    folder = tmp_path_factory.mktemp("clone") / "kubevouch"
    shell("git", "clone", "--quiet", CHECKOUT, folder)
    return folder


@pytest.fixture(scope="session")
def released(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Released:
    """The release of this commit."""
    shell("git", "tag", "--force", TAG, cwd=clone)
    dist = tmp_path_factory.mktemp("released") / "dist"
    said = shell(PYTHON, "-m", "release", "build", "--target", dist, cwd=clone)
    return Released(clone, dist, said)
