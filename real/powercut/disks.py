"""Disks that write down what reaches them, file systems on them, and images of them. Root, FUSE and loop devices.

Everything here is mounted: the caller has a mount namespace of his own, which ends with him.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from real.errors import BedError
from real.powercut.log import PAGE, Entry, pages_of, read
from real.powercut.mounts import unmount
from real.processes import run


@dataclass(frozen=True)
class FileSystem:
    """How one is made, how large it is (bytes), and what it is mounted with."""

    name: str
    size: int
    made: tuple[str, ...]
    package: str
    options: str
    """The journal is written when somebody asks for it: what is not synced is not on the disk by chance."""

    eager: str
    """The journal is written with every change of a folder, ahead of the content of files that nobody has synced.

    btrfs cannot be told so: it writes its whole tree with every sync then, and not a log of what was synced.
    """

    copies: str = ""
    """What several copies of one are mounted with at the same time."""


FILE_SYSTEMS: Mapping[str, FileSystem] = {
    each.name: each
    for each in (
        FileSystem(
            "ext4",
            16 << 20,
            (
                *("mkfs.ext4", "-q", "-b", "4096", "-J", "size=4"),
                *("-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"),
            ),
            "e2fsprogs",
            "commit=600",
            "commit=600,dirsync",
        ),
        FileSystem(
            "xfs",
            300 << 20,
            ("mkfs.xfs", "-q", "-K"),
            "xfsprogs",
            "",
            "wsync",
            "nouuid",
        ),
        FileSystem(
            "btrfs",
            128 << 20,
            ("mkfs.btrfs", "-q", "-K", "-M"),
            "btrfs-progs",
            "commit=600",
            "commit=600,notreelog",
        ),
    )
}


def make(system: FileSystem, image: Path) -> None:
    """An empty file system in a file.

    Raises:
        BedError: the program that makes it failed.
    """
    with image.open("wb") as file:
        file.truncate(system.size)
    run([*system.made, image])


def put(pages: Mapping[int, bytes], size: int, image: Path) -> None:
    """Writes an image."""
    with image.open("wb") as file:
        file.truncate(size)
        for number, page in pages.items():
            os.pwrite(file.fileno(), page, number * PAGE)


@dataclass(frozen=True)
class Disks:
    """Disks that write down what reaches them; all that belongs to them lies in this folder."""

    folder: Path

    def disk(self, number: int) -> Path:
        """The disk's file, to be mounted."""
        return self.folder / "disks" / str(number)

    @property
    def marks(self) -> Path:
        """Opened for writing, not truncated; what is written there in one go is a mark."""
        return self.folder / "disks" / "marks"

    def log(self) -> tuple[Entry, ...]:
        """What has reached the disks so far."""
        return read((self.folder / "log").read_bytes())


@contextmanager
def logged(program: Path, images: Sequence[Path], folder: Path) -> Iterator[Disks]:
    """Disks with the content of these images, which are read and not written to. The log stays in the folder, a new one.

    Raises:
        BedError: they could not be served.
    """
    disks = Disks(folder)
    (folder / "disks").mkdir(parents=True)
    behind = [folder / str(number) for number in range(len(images))]
    for image, copy in zip(images, behind, strict=True):
        put(pages_of(image.read_bytes()), image.stat().st_size, copy)
    words = [str(w) for w in (program, "-at", folder / "disks", "-log", folder / "log", *behind)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as serving:
        try:
            if serving.stdout is None or serving.stdout.readline() != b"ready\n":
                raise BedError(str(program), "it does not serve", "its own words stand above")
            yield disks
            unmount(folder / "disks")
            serving.wait(timeout=60)
        finally:
            serving.kill()
