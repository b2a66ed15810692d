"""Wheels and sdists: they bear the tag's version, install without an index, and run."""

import re
import sys
import tarfile
from pathlib import Path

import pytest

from .conftest import VERSION, Released, shell

pytestmark = pytest.mark.long


def test_two_wheels_and_two_sdists_are_there(released: Released) -> None:
    names = {each.name for each in released.dist.iterdir()}
    wanted = {
        f"{name}-{VERSION}{end}"
        for name in ("kubevouch", "kubevouch_lab")
        for end in ("-py3-none-any.whl", ".tar.gz")
    }
    assert wanted <= names


def test_sums_name_every_file(released: Released) -> None:
    shell("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=released.dist)
    named = {line.split()[1] for line in (released.dist / "SHA256SUMS").read_text().splitlines()}
    assert named == {each.name for each in released.dist.iterdir()} - {"SHA256SUMS"}


def test_they_install_without_an_index_and_run(installed: Path) -> None:
    assert shell(installed / "kubevouch", "--version") == f"kubevouch {VERSION}\n"
    assert "\n  up " in shell(installed / "kubevouch", "lab", "--help")


def test_a_checkout_without_a_tag_keeps_its_own_version(clone: Path) -> None:
    code = (
        "import kubevouch, kubevouch_lab; print(kubevouch.__version__, kubevouch_lab.__version__)"
    )
    said = shell(
        sys.executable, "-c", code, env={"PYTHONPATH": f"{clone}/src:{clone}/lab/src"}
    ).split()
    assert said[0] == said[1]
    assert re.fullmatch(r"\d+\.\d+\.\d+\.dev0", said[0])


def test_an_sdist_says_the_tags_version_without_git(released: Released, tmp_path: Path) -> None:
    with tarfile.open(released.dist / f"kubevouch-{VERSION}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
        (time,) = {each.mtime for each in archive if each.isfile()}
    assert time == int(shell("git", "log", "-1", "--format=%ct", cwd=released.clone))
    unpacked = tmp_path / f"kubevouch-{VERSION}"
    assert shell(sys.executable, "-m", "hatchling", "version", cwd=unpacked).strip() == VERSION
    assert "(not released yet)" not in (unpacked / "CHANGELOG.md").read_text().split("###")[0]
