"""Files of ours here are written whole."""

import contextlib
import os
from pathlib import Path


def write_whole(
    path: Path, content: bytes, beside: Path, *, fresh: bool = False, mode: int | None = None
) -> None:
    """Writes it to the disk `beside`, and renames that: the file is the former or the new one, whole.

    fresh: nothing may stand beside, as in a folder that others may write to; else what does is taken away, and never written through:
    it may be a link, or a pipe. mode: of the file, else the umask's. Raises OSError, with nothing left beside.
    """
    try:
        if not fresh:
            beside.unlink(missing_ok=True)
        with beside.open("xb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    with contextlib.suppress(OSError):  # where folders can be synced
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
