"""Files of a node as values, and putting them into its folder."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class DiskFile:
    """A file of a node, or with `link` a link: its absolute path there, content, mode, and when it was made."""

    path: str
    data: bytes = b""
    mode: int = 0o644
    made: datetime | None = None
    link: str = ""


def write_files(root: Path, files: Iterable[DiskFile]) -> None:
    """Writes them under the folder that is the node's root; what is there is replaced, folders are made."""
    for file in files:
        target = root / file.path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        if file.link:
            target.symlink_to(file.link)
        else:
            target.touch(file.mode)
            target.chmod(file.mode)
            target.write_bytes(file.data)
        if file.made is not None:
            at = file.made.timestamp()
            os.utime(target, (at, at), follow_symlinks=False)
