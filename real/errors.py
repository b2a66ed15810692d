"""What the bed says when it cannot go on: *where: what was seen; what would be right*."""


class BedError(Exception):
    """A step failed. Printed once, by `python -m real`; a user never sees a trace."""

    def __init__(self, where: str, seen: str, expected: str = "") -> None:
        super().__init__(where, seen, expected)
        self.where = where
        self.seen = seen
        self.expected = expected

    def __str__(self) -> str:
        return f"{self.where}: {self.seen}" + (f"; {self.expected}" if self.expected else "")


class MissingNeed(BedError):
    """This machine lacks what the bed stands on. Skipped on a desk, a failure under CI."""


class NotRunning(BedError):
    """There is no bed, or the caller does not stand inside its network."""
