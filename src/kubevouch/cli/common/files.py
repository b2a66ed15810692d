"""Files here: those that the operator names are read within bounds (also a pipe of `<(...)`), and ours are written whole."""

import contextlib
import os
from pathlib import Path

from kubevouch.errors import UsageError


def bytes_in(path: Path, *, most: int, expected: str, what: str = "", where: str = "") -> bytes:
    """All that is in it; of one that never ends, no more is read than is refused.

    expected: what would be right. what: the largest thing of its kind, in words; else the bound in bytes is named. where:
    what an error names in place of the path.

    Raises:
        UsageError: it cannot be read, or is longer than `most` bytes.
    """
    where = where or str(path)
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise UsageError(where, f"cannot be read: {error.strerror}", expected) from None
    if len(data) > most:
        raise UsageError(where, f"is larger than {what or f'{most} bytes'}", expected)
    return data


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
