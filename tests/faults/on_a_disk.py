"""Cases that need a disk of their own: one that is full, one that fails. It is small, ext4, and below /mnt.

`python -m tests.faults.on_a_disk CASE SHELL MOMENT...` prints what becomes of the node, as JSON; a moment is written as
`begin: armed`. It is started with a mount namespace of its own, since it mounts.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from real.powercut import mounts
from real.powercut.disks import FILE_SYSTEMS, make
from real.processes import held, run
from tests.support.mounting import why_not

from .cases import CASES, MOMENTS, Case, Moment
from .node import FaultyNode
from .telling import told

_EXT4 = FILE_SYSTEMS["ext4"]
_CHECKOUT = Path(__file__).parents[2]


@dataclass
class NodeWithADisk(FaultyNode):
    """The kubelet's folder and the units lie on it; after an error it takes no more writes until the machine starts again."""

    image: Path = Path()
    disk: Path = Path()
    mounted: ExitStack = field(default_factory=ExitStack)

    @property
    def environment(self) -> Mapping[str, str]:
        """With the name of the disk."""
        device = run(["findmnt", "-no", "SOURCE", self.disk]).stdout.strip()
        return {**super().environment, "DISK": Path(device).name}

    def is_mounted(self) -> None:
        """Its folders are those of the disk."""
        self.disk.mkdir(exist_ok=True)
        options = "errors=remount-ro"
        self.mounted.enter_context(mounts.mounted(self.image, self.disk, _EXT4.name, options))
        for name in ("kubelet", "units"):
            for folder in (self.disk / name, self.folder / name):
                folder.mkdir(exist_ok=True)
            self.mounted.enter_context(mounts.bound(self.disk / name, self.folder / name))

    def is_synced(self) -> None:
        """Its file system alone."""
        run(["sync", "-f", self.disk])

    def starts_again(self) -> None:
        """With its file system mended, as a start does it."""
        self.mounted.close()
        subprocess.run(["e2fsck", "-p", str(self.image)], check=False, capture_output=True)
        self.is_mounted()
        super().starts_again()


def elsewhere(case: Case, shell: str, moments: Sequence[Moment]) -> dict[str, str]:
    """The same by a process of its own. Skips the test where nothing can be mounted."""
    if lacks := why_not(_EXT4):
        pytest.skip(lacks)
    words = held([sys.executable, "-m", "tests.faults.on_a_disk", case.name, shell])
    ran = subprocess.run(
        [str(word) for word in (*words, *(": ".join(each) for each in moments))],
        check=False,
        cwd=_CHECKOUT,
        capture_output=True,
        timeout=900,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return msgspec.json.decode(ran.stdout, type=dict[str, str])


def main(name: str, shell: str, *moments: str) -> None:
    """Prints what becomes of a node with a disk."""
    run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", "/mnt"])
    image, disk = Path("/mnt/image"), Path("/mnt/disk")
    node = NodeWithADisk(Path("/mnt/node"), shell=shell, image=image, disk=disk)
    (node.folder / "bin").mkdir(parents=True)
    make(_EXT4, node.image)
    node.is_mounted()
    case = next(each for each in CASES if each.name == name)
    chosen = [each for each in MOMENTS if ": ".join(each) in moments]
    found = told(node, Path("/mnt/copies"), case, chosen)
    sys.stdout.write(msgspec.json.encode(found).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
