"""A release of this commit: a clone with a tag, and the dist/ that `make release` builds of it. Once for all of these tests."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.charts.conftest import helm

__all__ = ["helm"]

CHECKOUT = Path(__file__).parents[2]
PYTHON = CHECKOUT / ".venv-release" / "bin" / "python"
TAG = "v0.1.0"
VERSION = "0.1.0"
KUBECTL = Path(sys.executable).with_name("kubectl")
REGISTRY = "registry.example.com/team"
CHARTS = {
    "kubevouch-approver": "kubevouch-system",
    "kubevouch-exporter": "kubevouch-system",
    "kubevouch-metrics-server": "kube-system",
}
"""Each with its namespace."""


@dataclass(frozen=True)
class Released:
    """The clone, its tag, and what was built."""

    clone: Path
    dist: Path
    said: str


def shell(
    *words: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, code: int = 0
) -> str:
    """Runs a program that ends with this exit code, and returns what it printed."""
    ran = subprocess.run(
        [str(each) for each in words],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This commit without a tag, as `git clone` gives it. KUBEVOUCH_RELEASED: a folder with clone/ and dist/ to take instead."""
    if there := os.environ.get("KUBEVOUCH_RELEASED"):
        return Path(there) / "clone"
    return cloned(tmp_path_factory.mktemp("clone") / "kubevouch")


def cloned(folder: Path) -> Path:
    """A clone of this commit."""
    shell("git", "clone", "--quiet", CHECKOUT, folder)
    return folder


def built(clone: Path, dist: Path, registry: str) -> str:
    """Builds the release of the clone's commit, and returns what that prints."""
    shell("git", "tag", "--force", TAG, cwd=clone)
    words = ("build", "--target", dist, "--registry", registry)
    return shell(PYTHON, "-m", "release", *words, cwd=clone)


@pytest.fixture(scope="session")
def released(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Released:
    """The release of this commit, for a registry."""
    if there := os.environ.get("KUBEVOUCH_RELEASED"):
        return Released(clone, Path(there) / "dist", "")
    dist = tmp_path_factory.mktemp("released") / "dist"
    return Released(clone, dist, built(clone, dist, REGISTRY))


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What kubevouch and its lab need, from the locks, each checked by its hash."""
    folder = tmp_path_factory.mktemp("wheelhouse")
    locked = (CHECKOUT / "locks" / "kubevouch.txt").read_text()
    (labs,) = re.findall(
        r"^asyncssh==.*\n(?: .*\n)*", (CHECKOUT / "locks" / "dev.txt").read_text(), re.MULTILINE
    )
    (folder / "wanted.txt").write_text(locked + labs)
    words = ("download", "--quiet", "--require-hashes", "--only-binary=:all:", "--dest", folder)
    shell(sys.executable, "-m", "pip", *words, "--requirement", folder / "wanted.txt")
    return folder


@pytest.fixture(scope="session")
def installed(
    released: Released, wheelhouse: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of the programs of an environment with both wheels, which pip has found without an index."""
    venv = tmp_path_factory.mktemp("installed")
    shell(sys.executable, "-m", "venv", venv)
    links = ("--find-links", released.dist, "--find-links", wheelhouse)
    words = ("install", "--quiet", "--no-index", *links, "kubevouch", "kubevouch-lab")
    shell(venv / "bin" / "pip", *words)
    return venv / "bin"


@pytest.fixture(scope="session")
def lab(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """What to export for a lab that runs in a process of its own."""
    folder = tmp_path_factory.mktemp("lab") / "lab"
    words = ("--dir", folder)
    said = shell(installed / "kubevouch", "lab", "up", "--detach", *words)
    try:
        yield dict(re.findall(r"^export (\w+)=(\S+)$", said, re.MULTILINE))
    finally:
        shell(installed / "kubevouch", "lab", "down", *words)


def copied_into(root: Path, lab: Mapping[str, str]) -> None:
    """The files that the lab's exports name, for who runs in a chroot."""
    for name in ("KUBECONFIG", "KUBEVOUCH_LOOPBACK_ADDRESSES"):
        target = root / lab[name].lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(lab[name], target)
