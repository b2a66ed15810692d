"""The charts as Helm packs them, with every time that of the tag's commit; Helm itself writes the time of the day."""

import gzip
import os
import tarfile
from pathlib import Path

from image.entries import Entry, packed
from real import charts
from real.layout import Folders
from release import source
from release.source import Release


def build(release: Release, tree: Path, target: Path, work: Path) -> None:
    """Writes a .tgz of each chart of the tree. work: an empty folder for what is made on the way.

    Raises:
        BedError: Helm cannot be built, or failed.
    """
    helm = charts.real_helm(Folders.of(os.environ), work)
    for name in source.CHARTS:
        helm.run("package", str(tree / "charts" / name), "--destination", str(work))
        file = f"{name}-{release.chart_version}.tgz"
        with tarfile.open(work / file) as archive:
            entries = [Entry(each.name, _content(archive, each)) for each in archive]
        (target / file).write_bytes(gzip.compress(packed(entries, release.epoch), mtime=0))


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    opened = archive.extractfile(member)
    assert opened is not None
    return opened.read()
