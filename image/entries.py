"""What lies in a layer, as values, and the tar archive of it: the same bytes for the same entries.

Owner, group, time and modes come from here and never from the machine that builds: root, the lock's time, 0755 for
folders and programs, 0644 for other files.
"""

import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Entry:
    """A file, a symbolic link (`link`), or an empty folder (`folder_mode`). The path has no leading slash."""

    path: str
    data: bytes = b""
    executable: bool = False
    link: str | None = None
    folder_mode: int | None = None


def packed(entries: Iterable[Entry], epoch: int) -> bytes:
    """The tar archive: every folder on the way, then what is in it, sorted by path."""
    every = {entry.path: entry for entry in entries}
    for path in list(every):
        for above in PurePosixPath(path).parents:
            if str(above) != ".":
                every.setdefault(str(above), Entry(str(above), folder_mode=0o755))
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(every):
            entry = every[path]
            member = tarfile.TarInfo(path)
            member.mtime = epoch
            if entry.folder_mode is not None:
                member.type, member.mode = tarfile.DIRTYPE, entry.folder_mode
            elif entry.link is not None:
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, entry.link, 0o777
            else:
                member.size, member.mode = len(entry.data), 0o755 if entry.executable else 0o644
            archive.addfile(member, io.BytesIO(entry.data))
    return raw.getvalue()


def write_below(folder: Path, entries: Iterable[Entry]) -> None:
    """Writes them into a folder of this machine, where the image's own interpreter can read them."""
    for entry in entries:
        path = folder / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.link is not None:
            path.symlink_to(entry.link)
        elif entry.folder_mode is None:
            path.write_bytes(entry.data)
            path.chmod(0o755 if entry.executable else 0o644)
