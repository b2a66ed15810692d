"""The version of a release is its tag's; without one nothing is released."""

import subprocess
from pathlib import Path

import pytest

from release import source
from release.errors import ReleaseError

from .conftest import CHECKOUT, PYTHON, shell

pytestmark = pytest.mark.long
TWO_BUILDS = """
import sys
from pathlib import Path
from release import building, source
from release.errors import ReleaseError

sums = iter([{"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}])
source.of_checkout = lambda: source.of_tag("v0.1.0", 0)
building._once = lambda *_: next(sums)
try:
    building.build(building.Options("", ""), Path(sys.argv[1]))
except ReleaseError as failed:
    print(failed)
"""


@pytest.mark.parametrize(
    ("tag", "version", "chart"),
    [
        ("v0.1.0", "0.1.0", "0.1.0"),
        ("v10.2.33", "10.2.33", "10.2.33"),
        ("v1.0.0rc2", "1.0.0rc2", "1.0.0-rc.2"),
    ],
)
def test_a_tag_says_the_version(tag: str, version: str, chart: str) -> None:
    read = source.of_tag(tag, 0)
    assert (read.version, read.chart_version) == (version, chart)


@pytest.mark.parametrize("tag", ["0.1.0", "v0.1", "v0.1.0.dev0", "v0.1.0-rc1", "v0.1.0rc"])
def test_any_other_tag_is_refused(tag: str) -> None:
    with pytest.raises(ReleaseError, match="is no version"):
        source.of_tag(tag, 0)


def refusal(clone: Path) -> str:
    words = (PYTHON, "-m", "release", "build", "--target", clone.parent / "dist")
    ran = subprocess.run(words, cwd=clone, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert not (clone.parent / "dist").exists()
    return ran.stderr


def test_a_commit_without_a_tag_and_a_changed_file_are_refused(clone: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shell("git", "clone", "--quiet", clone, copy)
    shell("git", "tag", "-d", *shell("git", "tag", cwd=copy).split(), cwd=copy)
    assert "has no tag of a version" in refusal(copy)
    (copy / "README.md").write_text("another")
    assert "is changed: M README.md" in refusal(copy)


def test_two_builds_that_differ_leave_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "before").touch()
    said = shell(PYTHON, "-c", TWO_BUILDS, tmp_path, cwd=CHECKOUT)
    assert said == "b, c: differs between two builds of one tag\n"
    assert (tmp_path / "before").exists()
