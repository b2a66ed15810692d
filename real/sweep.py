"""Takes a bed down, or removes what a killed run left: processes, mounts, namespaces, cgroups, folders.

Found by their names and places alone, so it works at whatever moment the last run ended. Nothing else is touched.
"""

import shutil
from functools import partial
from pathlib import Path

from real import cgroups, clock, network, operator_place
from real.errors import BedError
from real.layout import Folders
from real.processes import run
from real.running import Record


def sweep(folders: Folders) -> None:
    """After it there is no trace of a bed but its caches.

    Raises:
        BedError: something would not go.
    """
    Record(folders).remove()
    cgroups.sweep()
    for root in (folders.state, folders.cache / "unfinished"):
        for point in reversed(_mounts_below(root)):
            clock.until(f"umount {point}", partial(_unmounted, point), seconds=20)
        if _mounts_below(root):
            raise BedError(str(root), "still has mounts below it", "see /proc/self/mountinfo")
    network.sweep()
    operator_place.sweep(folders)
    for folder in (folders.machines, folders.cache / "unfinished"):
        if folder.exists():
            shutil.rmtree(folder)


def _mounts_below(root: Path) -> list[Path]:
    points = [
        Path(line.split()[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()
    ]
    return [point for point in points if root in point.parents]


def _unmounted(point: Path) -> bool:
    return run(["umount", point], check=False).returncode == 0
