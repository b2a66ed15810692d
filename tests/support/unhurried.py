"""Hypothesis without deadlines: on a machine that others use, any example may take longer than another.

Whatever must not take long is measured by a test of its own, in time of the processor.
"""

from hypothesis import settings


def unhurried() -> None:
    """From now on, whatever else the profile says (a different one is loaded where CI is set)."""
    settings.register_profile("unhurried", parent=settings(), deadline=None)
    settings.load_profile("unhurried")
