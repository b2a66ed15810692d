"""All of dist/, built twice in folders of different names; only what both times has the same bytes is kept."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from real.progress import step
from release import archive, boms, charts, krew, notes, oci, source
from release.errors import ReleaseError
from release.source import Release

DIST = source.CHECKOUT / "dist"
SUMS = "SHA256SUMS"
NOTES = "RELEASE-NOTES.md"
NOWHERE = "https://downloads.invalid/kubevouch"
"""Of a release that is published nowhere yet; `make release-check` says so."""


@dataclass(frozen=True)
class Options:
    """Where it will be published. downloads: the URL of the folder with dist/. registry: of the image, "" for none."""

    downloads: str
    registry: str


def build(options: Options, target: Path = DIST) -> Mapping[str, str]:
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
        sums = _once(release, options, Path(first))
        again = _once(release, options, Path(second))
        if differing := sorted({name for name, _ in sums.items() ^ again.items()}):
            raise ReleaseError(", ".join(differing), "differs between two builds of one tag")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(Path(first) / "dist", target)
    return sums


def _once(release: Release, options: Options, folder: Path) -> Mapping[str, str]:
    tree, target, works = folder / "tree", folder / "dist", folder / "works"
    for each in (target, *(works / name for name in ("archive", "boms", "charts"))):
        each.mkdir(parents=True)
    source.export(release, tree)
    with step("container image"):
        digest = oci.build(release, tree, target)
    if options.registry:
        oci.write_address(tree, options.registry, digest)
    with step("wheels and sdists"):
        source.packages(release, tree, target)
    with step("archive for linux/amd64"):
        (wheel,) = target.glob("kubevouch-*.whl")
        packed = archive.build(release, wheel, target, works / "archive")
    with step("bills of materials"):
        boms.write(release, tree, target, works / "boms")
        for each in target.glob("*.cdx.json"):
            boms.validate(each)
    krew.write(release, target, sha256(packed), options.downloads)
    with step("charts"):
        charts.build(release, tree, target, works / "charts")
    (target / NOTES).write_text(notes.of(release, tree), "utf-8")
    sums = {each.name: sha256(each) for each in sorted(target.iterdir())}
    lines = [f"{digest}  {name}\n" for name, digest in sums.items()]
    (target / SUMS).write_text("".join(lines))
    return sums


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
