"""Reads files of a node's file system that is mounted, unpacked or running at a folder of this machine.

What lies there may be anybody's, so no name in it leads out of it: links are followed component by component, and both an
absolute target and `..` end at the folder itself, as for a program whose root it is. Nothing is opened but folders and
regular files: to open a FIFO can wait for ever, and to open a device can do anything.
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
"""As the kernel's own limit (path_resolution(7))."""
# A folder that may be entered but not listed can be passed only where there is O_PATH.
_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
# Between looking and opening a FIFO may have taken the place of a file: it must not wait, and what is open is looked at again.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class FileTree:
    """The file system of a node below a folder of this machine. To be used with `with`."""

    def __init__(self, root: Path) -> None:
        """Raises UsageError if the folder cannot be entered. It may itself be a link: the operator has named it."""
        self.root = root
        try:
            self._root = os.open(root, _FOLDER & ~os.O_NOFOLLOW)
        except OSError as error:
            seen = (error.strerror or str(error)).lower()
            raise UsageError(str(root), seen, "the root folder of a node was expected") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    def read(self, path: str, largest: int) -> TreeFile | None:
        """The file at an absolute path of the node; None if there is nothing, or its folder is not there.

        largest: bytes; of a larger file nothing is read.
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
    """What is there is no file that can be read; the text says what it is."""


class _Walk:
    """One way down from the root. `last_link`: the target of the last link on it."""

    def __init__(self, root: int) -> None:
        self._folders = [root]
        self._links = 0
        self.last_link = ""

    def close(self) -> None:
        self._leave(1)

    def read(self, path: str, largest: int) -> bytes:
        """The file's bytes. Raises OSError, _Unreadable."""
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
            raise _Unreadable(f"more than {_MOST_LINKS} links, one after the other")
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
        # A file of /proc may have nothing to say now and be no end either, as /proc/kmsg.
        if data is None:
            raise _Unreadable("a file that has nothing to be read now")
        if len(data) > largest:
            raise _Unreadable(f"more than {largest} bytes, and no more are read")
        return data


def _check(found: os.stat_result, largest: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise _Unreadable(f"{kind}, not a file")
    if found.st_size > largest:
        raise _Unreadable(f"{found.st_size} bytes, and no more than {largest} are read")
