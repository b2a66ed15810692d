"""Mounting without another program: thousands of times in a few minutes, and from several threads.

A program that is being started holds, for a moment, whatever files its starter has open, and a file system with open files
cannot be unmounted. So nothing is started here.
"""

import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOOP_CONTROL = Path("/dev/loop-control")
# linux/loop.h. struct loop_config: the file, the size of a block, struct loop_info64 (its flags at byte 52), 64 bytes of nothing.
_GET_FREE, _CONFIGURE, _AUTOCLEAR = 0x4C82, 0x4C0A, 4
_CONFIG = struct.Struct("<II52xI176x64x")
_MS_BIND = 4096  # linux/mount.h
_TRIES = 100


@contextmanager
def mounted(image: Path, at: Path, kind: str, options: str = "") -> Iterator[None]:
    """A file system in a file, by a loop device that goes with the mount.

    Raises:
        OSError: the kernel refuses.
    """
    device, number = _attached(image)
    try:
        _mount(device, at, kind, 0, options)
    finally:
        os.close(number)
    try:
        yield
    finally:
        unmount(at)


@contextmanager
def bound(source: Path, at: Path) -> Iterator[None]:
    """A folder that is seen at a second place, too."""
    _mount(source, at, "none", _MS_BIND, "")
    try:
        yield
    finally:
        unmount(at)


def unmount(at: Path) -> None:
    """What is mounted there. Raises OSError."""
    if _LIBC.umount2(os.fsencode(at), 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(at))


_LIBC = ctypes.CDLL(None, use_errno=True)


def _mount(source: Path, at: Path, kind: str, flags: int, options: str) -> None:
    words = (os.fsencode(source), os.fsencode(at), kind.encode())
    if _LIBC.mount(*words, ctypes.c_ulong(flags), options.encode()):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), f"{source} on {at}")


def _attached(image: Path) -> tuple[Path, int]:
    """A loop device, and it opened: once mounted and closed, it is free again when it is unmounted."""
    behind = os.open(image, os.O_RDWR)
    try:
        for _ in range(_TRIES):
            control = os.open(_LOOP_CONTROL, os.O_RDWR)
            try:
                device = Path(f"/dev/loop{fcntl.ioctl(control, _GET_FREE)}")
            finally:
                os.close(control)
            opened = os.open(device, os.O_RDWR)
            try:
                fcntl.ioctl(opened, _CONFIGURE, _CONFIG.pack(behind, 0, _AUTOCLEAR))
            except OSError as taken:  # by somebody else, who asked at the same time
                os.close(opened)
                if taken.errno != errno.EBUSY:
                    raise
            else:
                return device, opened
        raise OSError(errno.EBUSY, "no loop device stays free", str(image))
    finally:
        os.close(behind)
