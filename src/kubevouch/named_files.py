"""Files that an operator names are read within bounds; so is a pipe of `<(...)`."""

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
