"""Reads a node's files below a local folder: a mounted or unpacked disk, or the running system.

The folder's contents are untrusted, so no path may lead out of the folder. We resolve symlinks
component by component; absolute targets and `..` stop at the folder, as in a chroot. We open only
folders and regular files: a FIFO can block forever, and opening a device can have side effects.
"""

import errno
import os
import stat
from collections import deque
from pathlib import Path
from typing import Self

from kubevouch.errors import UsageError
from kubevouch.node.tree_file import TreeFile, link_to_nothing

_MOST_LINKS = 40
"""The kernel's limit for symlinks in one path (path_resolution(7))."""
# Only O_PATH can pass a folder that may be entered but not listed.
_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
# A FIFO may replace the file between check and open. So the open must not block, and we check again.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class FileTree:
    """A node's file system below a local folder, as a context manager."""

    def __init__(self, root: Path) -> None:
        """Opens the folder. Raises UsageError if it cannot be entered.

        The folder itself may be a symlink, since the operator named it.
        """
        self.root = root
        try:
            self._root = os.open(root, _FOLDER & ~os.O_NOFOLLOW)
        except OSError as error:
            seen = (error.strerror or str(error)).lower()
            raise UsageError(str(root), seen, "expected the root folder of a node") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    def read(self, path: str, largest: int) -> TreeFile | None:
        """Reads a file by its absolute path on the node. Returns None if the file or its folder does not exist.

        largest: the limit in bytes. A larger file is not read.
        """
        walk = _Walk(self._root)
        try:
            data = walk.read(path, largest)
        except _Unreadable as error:
            return TreeFile(path, fault=str(error))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                if not walk.last_link:
                    return None
                return link_to_nothing(path, walk.last_link)
            denied = error.errno in (errno.EACCES, errno.EPERM)
            return TreeFile(path, fault=(error.strerror or str(error)).lower(), is_denied=denied)
        finally:
            walk.close()
        return TreeFile(path, data)


class _Unreadable(Exception):
    """The path is not a readable file. The error's text says why."""


class _Walk:
    """Resolves one path below the root folder.

    last_link: the target of the last symlink that was followed.
    """

    def __init__(self, root: int) -> None:
        self._folders = [root]
        self._links = 0
        self.last_link = ""

    def close(self) -> None:
        self._leave(1)

    def read(self, path: str, largest: int) -> bytes:
        left = deque(path.split("/"))
        while left:
            name = left.popleft()
            if name == "..":
                self._leave(max(1, len(self._folders) - 1))
            elif name not in ("", "."):
                found = os.stat(name, dir_fd=self._folders[-1], follow_symlinks=False)
                if stat.S_ISLNK(found.st_mode):
                    self._follow(name, left)
                elif stat.S_ISDIR(found.st_mode) and any(left):
                    self._folders.append(os.open(name, _FOLDER, dir_fd=self._folders[-1]))
                elif any(left):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
                else:
                    return self._contents(name, found, largest)
        raise _Unreadable("a folder, not a file")

    def _leave(self, kept: int) -> None:
        for folder in self._folders[kept:]:
            os.close(folder)
        del self._folders[kept:]

    def _follow(self, name: str, left: deque[str]) -> None:
        self._links += 1
        if self._links > _MOST_LINKS:
            raise _Unreadable(f"more than {_MOST_LINKS} symlinks in the path")
        target = os.readlink(name, dir_fd=self._folders[-1])
        self.last_link = target
        left.extendleft(reversed(target.split("/")))
        if target.startswith("/"):
            self._leave(1)

    def _contents(self, name: str, found: os.stat_result, largest: int) -> bytes:
        _check(found, largest)
        file = os.open(name, _FILE, dir_fd=self._folders[-1])
        with os.fdopen(file, "rb") as opened:
            _check(os.fstat(file), largest)
            data = opened.read(largest + 1)
        # A /proc file, such as /proc/kmsg, may have no data yet and no end.
        if data is None:
            raise _Unreadable("a file that has no data yet")
        if len(data) > largest:
            raise _Unreadable(f"over the limit of {largest} bytes")
        return data


def _check(found: os.stat_result, largest: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise _Unreadable(f"{kind}, not a file")
    if found.st_size > largest:
        raise _Unreadable(f"{found.st_size} bytes, over the limit of {largest}")
