"""The source tree of a release: what git has at the tag of this commit, with the tag's version written into it."""

import io
import re
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from real.processes import run
from release.errors import ReleaseError

CHECKOUT = Path(__file__).parents[1]
_TAG = re.compile(r"v(\d+\.\d+\.\d+)(?:rc(\d+))?")
_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_CHART_VERSION = re.compile(r"^version: (\S+)$", re.MULTILINE)
_UNRELEASED = "(not released yet)"
CHARTS = ("kubevouch-approver", "kubevouch-exporter", "kubevouch-metrics-server")
# Every file that names the version of this tree, besides charts and deploy/.
_NAMING = ("src/kubevouch/__init__.py", "lab/src/kubevouch_lab/__init__.py", "lab/pyproject.toml")


@dataclass(frozen=True)
class Release:
    """A tag and what follows from it. version: as Python writes it. chart_version: as Helm does. epoch: of the tag's commit."""

    tag: str
    version: str
    chart_version: str
    epoch: int

    @property
    def heading(self) -> str:
        """The beginning of its section in the CHANGELOG; a candidate has that of its release."""
        return f"## {self.version.partition('rc')[0]} "

    @property
    def day(self) -> str:
        """The day of the tag's commit."""
        return datetime.fromtimestamp(self.epoch, UTC).strftime("%Y-%m-%d")


def of_checkout(checkout: Path = CHECKOUT) -> Release:
    """The release that this commit is.

    Raises:
        ReleaseError: the commit has no tag of a release, or a file is changed.
    """
    if changed := _git(checkout, "status", "--porcelain"):
        raise ReleaseError("the checkout", f"is changed: {changed.splitlines()[0].strip()}")
    found = [
        each for each in _git(checkout, "tag", "--points-at", "HEAD").split() if each[0] == "v"
    ]
    if len(found) != 1:
        seen = f"{len(found)} tags of a version" if found else "no tag of a version"
        raise ReleaseError("this commit", f"has {seen}", "`git tag -s v0.1.0` makes one")
    return of_tag(found[0], int(_git(checkout, "log", "-1", "--format=%ct")))


def of_tag(tag: str, epoch: int) -> Release:
    """Raises ReleaseError: it is not the tag of a release."""
    match = _TAG.fullmatch(tag)
    if not match:
        raise ReleaseError(f"tag {tag}", "is no version", "expected v0.1.0 or v0.1.0rc1")
    number, candidate = match.groups()
    if candidate is None:
        return Release(tag, number, number, epoch)
    return Release(tag, f"{number}rc{candidate}", f"{number}-rc.{candidate}", epoch)


def export(release: Release, tree: Path, checkout: Path = CHECKOUT) -> None:
    """Writes the tree of the tag, with its version, into an empty folder.

    Raises:
        ReleaseError: a file does not name the version that it should.
    """
    words = ["git", "-c", "tar.umask=0022", "archive", "--format=tar", release.tag]
    archived = subprocess.run(words, cwd=checkout, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as archive:
        archive.extractall(tree, filter="data")
    _name_the_version(release, tree)
    changelog = tree / "CHANGELOG.md"
    replace(changelog, f"{release.heading}{_UNRELEASED}", f"{release.heading}({release.day})")


def _name_the_version(release: Release, tree: Path) -> None:
    ours = _found(_VERSION, tree / _NAMING[0])
    charts = [tree / "charts" / name / "Chart.yaml" for name in CHARTS]
    manifests = [each for each in (tree / "deploy").rglob("*.yaml") if ours in each.read_text()]
    for path in charts:
        replace(
            path, f"version: {_found(_CHART_VERSION, path)}", f"version: {release.chart_version}"
        )
    for path in (*(tree / each for each in _NAMING), *charts, *manifests):
        replace(path, ours, release.version)


def _found(pattern: re.Pattern[str], path: Path) -> str:
    match = pattern.search(path.read_text("utf-8"))
    if match is None:
        raise ReleaseError(str(path), "names no version")
    return match[1]


def replace(path: Path, old: str, new: str) -> None:
    """Writes one text for another. Raises ReleaseError: the file does not have it."""
    text = path.read_text("utf-8")
    if old not in text:
        raise ReleaseError(str(path), f"does not say {old!r}")
    path.write_text(text.replace(old, new), "utf-8")


def packages(release: Release, tree: Path, target: Path) -> None:
    """Wheels and sdists of kubevouch and its lab, by hatchling.

    Raises:
        BedError: hatchling failed.
    """
    for project in (tree, tree / "lab"):
        python(
            release,
            "-m",
            "hatchling",
            "build",
            "-t",
            "wheel",
            "-t",
            "sdist",
            "-d",
            target,
            folder=project,
        )


def python(release: Release, *words: str | Path, folder: Path, path: Sequence[Path] = ()) -> str:
    """Runs this Python there, with the time of the release as today. path: where modules are found first. Raises BedError."""
    settings = [f"SOURCE_DATE_EPOCH={release.epoch}", "PYTHONHASHSEED=0", "TZ=UTC"]
    settings.append(f"PYTHONPATH={':'.join(map(str, path))}")
    return run(["env", *settings, sys.executable, *words], folder=folder, seconds=1200).stdout


def _git(checkout: Path, *words: str) -> str:
    return run(["git", *words], folder=checkout).stdout.strip()
