"""A node's disk: a folder that is its root. Paths are the node's own, and no link in it leads out of it."""

import os
from dataclasses import dataclass
from pathlib import Path

_MOST_LINKS = 40
"""As Linux: path_resolution(7)."""


@dataclass(frozen=True)
class NodeFiles:
    """The disk of the node `name`. root: the folder that is `/` there."""

    root: Path
    name: str

    def path(self, path: str, *, follow: bool = True) -> Path:
        """Where an absolute path of the node lies, links resolved as the node resolves them.

        follow: also the last step, if it is a link.

        Raises:
            OSError: too many links.
        """
        base = os.fspath(self.root)
        steps = [step for step in reversed(path.split("/")) if step]
        at: list[str] = []
        links = 0
        while steps:
            step = steps.pop()
            if step == ".":
                continue
            if step == "..":
                del at[-1:]
                continue
            at.append(step)
            target = _target("/".join((base, *at))) if steps or follow else ""
            if not target:
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(40, "Too many levels of symbolic links", path)
            del at[0 if target.startswith("/") else -1 :]
            steps += [each for each in reversed(target.split("/")) if each]
        return self.root.joinpath(*at)

    def read(self, path: str) -> bytes:
        """A file of it. Raises OSError."""
        return self.path(path).read_bytes()

    def text(self, path: str) -> str:
        """A file of it as text; "" if it does not exist."""
        try:
            return self.read(path).decode(errors="replace")
        except OSError:
            return ""

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Puts a file there, whole or not at all; one that exists is replaced, folders on the way are made."""
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
        fresh.replace(target)

    def exists(self, path: str) -> bool:
        """Whether something can be read there (a link that leads nowhere is nothing)."""
        try:
            return self.path(path).exists()
        except OSError:
            return False

    def link(self, path: str, target: str) -> None:
        """A symbolic link at `path`; what was there is replaced in one step."""
        at = self.path(path, follow=False)
        fresh = at.with_name(f".{at.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.replace(at)

    def remove(self, path: str) -> None:
        """Takes a file or link away, if it is there."""
        self.path(path, follow=False).unlink(missing_ok=True)


def _target(path: str) -> str:
    """Where a link leads; "" for what is not a link. By `os`, since this is asked at every step of every path."""
    try:
        return os.readlink(path)  # noqa: PTH115
    except OSError:
        return ""
