"""What the bed says when it cannot go on: *where: what was seen; what would be right*."""


class BedError(Exception):
    """A step failed. Printed once, by `python -m real`; a user never sees a trace."""

    def __init__(self, where: str, saw: str, right: str = "") -> None:
        super().__init__(where, saw, right)
        self.where = where
        self.saw = saw
        self.right = right

    def __str__(self) -> str:
        return f"{self.where}: {self.saw}" + (f"; {self.right}" if self.right else "")


class MissingNeed(BedError):
    """This machine lacks what the bed stands on. Skipped on a desk, a failure under CI."""


class NotRunning(BedError):
    """There is no bed, or the caller does not stand inside its network."""
