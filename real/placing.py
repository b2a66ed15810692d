"""Files to be put on a machine, as values: what, where, with which mode and age. One tar stream carries them there."""

import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from string import Template

_FILES = Path(__file__).parent / "files"


@dataclass(frozen=True)
class Placed:
    """One file (or a symbolic link, if `link` is set), owned by root; folders on the way are made as needed."""

    path: str
    data: bytes = b""
    mode: int = 0o644
    made: datetime | None = None
    link: str | None = None


def template(file: str, /, **values: str) -> str:
    """A file of `real/files/` with its `${names}` filled in; a name too many or too few is an error of ours."""
    return Template((_FILES / file).read_text()).substitute(values)


def plain(name: str) -> bytes:
    """A file of `real/files/` as it is."""
    return (_FILES / name).read_bytes()


def packed(files: Iterable[Placed]) -> bytes:
    """A tar archive of them, for `tar -x -C /`."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for file in files:
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.mode = file.mode
            entry.mtime = file.made.timestamp() if file.made else 0
            if file.link is not None:
                entry.type, entry.linkname = tarfile.SYMTYPE, file.link
                archive.addfile(entry)
            else:
                entry.size = len(file.data)
                archive.addfile(entry, io.BytesIO(file.data))
    return raw.getvalue()
