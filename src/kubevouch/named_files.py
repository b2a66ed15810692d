"""Reads files and pipes, such as `<(...)`, that an operator names, up to a size limit."""

from pathlib import Path

from kubevouch.errors import UsageError


def bytes_in(path: Path, *, most: int, expected: str, what: str = "", where: str = "") -> bytes:
    """The content of the file. Reading stops at the limit, since a pipe may be endless.

    most: the limit in bytes. The error message contains `expected` (what the file should contain),
    `what` (the limit in words), and `where` (a name to show instead of the path).

    Raises:
        UsageError: the file is unreadable, or longer than `most` bytes.
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
