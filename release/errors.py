"""The error of a release that cannot be built, or is not as it should be."""

from real.errors import BedError


class ReleaseError(BedError):
    """Printed once, by `python -m release`."""
