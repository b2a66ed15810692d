"""The lock: every file that the image is made of, by name and SHA-256, and the one time that is written into it.

It names no address. Debian's packages are found below an archive (`main` or `security`) by a path, wheels by pip.
"""

import hashlib
from pathlib import Path

import msgspec

from image.errors import ImageError

LOCK = Path(__file__).parent / "lock.json"
RELEASE = "trixie"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""Debian's name of each architecture that there is a lock for, and the kernel's, which wheels and markers have."""


class DebianPackage(msgspec.Struct, frozen=True):
    """A binary package of Debian. `path` is below the archive, as `pool/main/z/zlib/zlib1g_….deb`."""

    name: str
    version: str
    archive: str
    path: str
    size: int
    sha256: str


class LockedWheel(msgspec.Struct, frozen=True):
    """A wheel by its file name; its hash is one of those in locks/kubevouch.txt."""

    name: str
    version: str
    file: str
    sha256: str


class Lock(msgspec.Struct, frozen=True, omit_defaults=True):
    """All of it. `epoch` is the time of every file in the image, in seconds since 1970."""

    epoch: int
    debian: tuple[DebianPackage, ...]
    wheels: tuple[LockedWheel, ...]
    architecture: str = "amd64"


def path_of(architecture: str) -> Path:
    """The file of the lock for an architecture."""
    return LOCK if architecture == "amd64" else LOCK.with_name(f"lock-{architecture}.json")


def read(path: Path = LOCK) -> Lock:
    """The lock.

    Raises:
        ImageError: the lock is missing or not valid.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Lock)
    except (OSError, msgspec.MsgspecError) as failed:
        raise ImageError(str(path), str(failed), "`make image-lock` writes it") from failed


def write(lock: Lock, path: Path = LOCK) -> None:
    """Writes it for people to read: one field a line."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(lock), indent=2) + b"\n")


def require_hash(path: Path, sha256: str) -> None:
    """Reads a file and compares.

    Raises:
        ImageError: it has another hash than the lock says.
    """
    seen = hashlib.sha256(path.read_bytes()).hexdigest()
    if seen != sha256:
        raise ImageError(str(path), f"its SHA-256 is {seen}", f"the lock says {sha256}")
