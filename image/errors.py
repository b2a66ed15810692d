"""What the builder of the image says when it cannot go on: *where: what was seen; what would be right*."""

from real.errors import BedError


class ImageError(BedError):
    """The image cannot be built, or the lock cannot be resolved. Printed as one line."""
