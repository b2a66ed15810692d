"""Debian's packages: fetched below an archive by hash, unpacked without running anything, and read by scanners."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from image import debs
from image.errors import ImageError
from image.folders import Folders
from image.lock import DebianPackage, Lock

pytestmark = pytest.mark.skipif(
    shutil.which("dpkg-deb") is None or not Path("/usr/lib/apt/apt-helper").exists(),
    reason="no dpkg-deb and apt-helper: this is not Debian",
)

PATH = "pool/main/t/thing/thing_1.0+b1~x_all.deb"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive with one package: a program, a hard link to it, a link, a text, and a script that would leave a trace."""
    tree = tmp_path / "tree"
    for folder in ("DEBIAN", "usr/bin", "usr/share/ca-certificates/x", "var/empty"):
        (tree / folder).mkdir(parents=True)
    control = (
        "Package: thing\nVersion: 1.0+b1~x\nArchitecture: all\nMaintainer: a <a@example.com>\n"
    )
    (tree / "DEBIAN/control").write_text(control + "Description: a thing\n")
    (tree / "DEBIAN/postinst").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tree / "DEBIAN/postinst").chmod(0o755)
    (tree / "usr/bin/thing").write_bytes(b"#!/bin/sh\n")
    (tree / "usr/bin/thing").chmod(0o4755)
    os.link(tree / "usr/bin/thing", tree / "usr/bin/twin")
    (tree / "usr/bin/other").symlink_to("thing")
    for name in ("b", "a"):
        (tree / f"usr/share/ca-certificates/x/{name}.crt").write_text(f"authority {name}")
    built = tmp_path / "archive" / PATH
    built.parent.mkdir(parents=True)
    words = ("dpkg-deb", "--root-owner-group", "--build", tree, built)
    subprocess.run(words, check=True, capture_output=True)
    return tmp_path / "archive"


def locked(sha256: str) -> Lock:
    return Lock(0, (DebianPackage("thing", "1.0+b1~x", "main", PATH, 1, sha256),), ())


def fetched(archive: Path, folders: Folders) -> dict[str, Path]:
    lock = locked(hashlib.sha256((archive / PATH).read_bytes()).hexdigest())
    return debs.fetch(folders, lock, {"main": archive.as_uri()})


def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "packages", tmp_path / "layers")


def test_a_package_is_unpacked_and_its_scripts_are_not_run(archive: Path, tmp_path: Path) -> None:
    found = {each.path: each for each in debs.entries(fetched(archive, folders(tmp_path)))}
    assert (found["usr/bin/thing"].data, found["usr/bin/thing"].executable) == (
        b"#!/bin/sh\n",
        True,
    )
    assert found["usr/bin/twin"].data == found["usr/bin/thing"].data
    assert found["usr/bin/other"].link == "thing"
    assert b"Version: 1.0+b1~x\n" in found["var/lib/dpkg/status.d/thing"].data
    assert found[debs.AUTHORITIES].data == b"authority a\nauthority b\n"
    assert not (tmp_path / "ran").exists()


def test_a_fetched_package_is_checked_again_and_not_fetched_again(
    archive: Path, tmp_path: Path
) -> None:
    (deb,) = fetched(archive, folders(tmp_path)).values()
    content = deb.read_bytes()
    (archive / PATH).rename(archive / "away")
    lock = locked(hashlib.sha256(content).hexdigest())
    assert debs.fetch(folders(tmp_path), lock, {}) == {"thing": deb}
    deb.write_bytes(content + b"x")
    with pytest.raises(ImageError, match="its SHA-256 is"):
        debs.fetch(folders(tmp_path), lock, {})


@pytest.mark.parametrize("gone", [True, False])
def test_what_the_archive_has_not_or_has_otherwise_is_said(
    archive: Path, tmp_path: Path, *, gone: bool
) -> None:
    lock = locked(hashlib.sha256(b"other").hexdigest())
    if gone:
        (archive / PATH).unlink()
    with pytest.raises(ImageError, match=r"^thing 1\.0\+b1~x: Failed to fetch .*make image-lock"):
        debs.fetch(folders(tmp_path), lock, {"main": archive.as_uri()})
    assert not list((tmp_path / "packages").glob("*.deb"))
