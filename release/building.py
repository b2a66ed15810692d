"""All of dist/, built twice in folders of different names; only what both times has the same bytes is kept."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from real.progress import step
from release import source
from release.errors import ReleaseError
from release.source import Release

DIST = source.CHECKOUT / "dist"
SUMS = "SHA256SUMS"


def build(target: Path = DIST) -> Mapping[str, str]:
    """Replaces the target folder. Returns the SHA-256 of each file by its name.

    Raises:
        ReleaseError: this commit cannot be released, or two builds differ.
        BedError: a tool failed.
    """
    release = source.of_checkout()
    with (
        tempfile.TemporaryDirectory(prefix="kubevouch-release-") as first,
        tempfile.TemporaryDirectory(prefix="again-") as second,
    ):
        sums = _once(release, Path(first))
        again = _once(release, Path(second))
        if differing := [each for each in sorted(sums) if again.get(each) != sums[each]]:
            raise ReleaseError(", ".join(differing), "differs between two builds of one tag")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(Path(first) / "dist", target)
    return sums


def _once(release: Release, folder: Path) -> Mapping[str, str]:
    tree, target = folder / "tree", folder / "dist"
    target.mkdir()
    source.export(release, tree)
    with step("wheels and sdists"):
        source.packages(release, tree, target)
    sums = {each.name: sha256(each) for each in sorted(target.iterdir())}
    lines = [f"{digest}  {name}\n" for name, digest in sums.items()]
    (target / SUMS).write_text("".join(lines))
    return sums


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
