"""Reads files that an operator names, with a limit; also a pipe of `<(...)`."""

from pathlib import Path

from kubevouch.errors import UsageError


def bytes_in(path: Path, *, most: int, expected: str, what: str = "", where: str = "") -> bytes:
    """All that is in the file; an endless one is read up to the limit and refused.

    expected: the expected contents. what: the largest thing of its kind, in words, for the error;
    else the limit in bytes. where: the error's name for the file instead of the path.

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
