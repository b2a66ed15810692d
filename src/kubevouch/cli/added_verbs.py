"""Verbs that other distributions add through the entry point group `kubevouch.verbs`, such as `lab`.

To find these verbs, kubevouch reads the metadata of every installed distribution. It does this only
to print the help, to complete a verb, and for a verb that it does not know.
"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points

import click

from kubevouch.errors import KubevouchError

GROUP = "kubevouch.verbs"
NOT_INSTALLED = {"lab": "run `pip install ./lab` in a checkout of kubevouch"}
"""Known verbs of other Python packages, and how to install these."""


class VerbNotLoaded(KubevouchError):
    """The verb that an entry point names cannot be imported."""


@cache
def added_verbs() -> dict[str, EntryPoint]:
    """The verbs of installed distributions, sorted by name."""
    return {each.name: each for each in sorted(entry_points(group=GROUP), key=lambda e: e.name)}


def loaded(entry_point: EntryPoint) -> click.Command:
    """Imports the command of an entry point.

    Raises:
        VerbNotLoaded: the import failed, for example because the distribution's version differs from kubevouch's.
    """
    try:
        command = entry_point.load()
    except (ImportError, AttributeError) as error:
        raise VerbNotLoaded(
            f"kubevouch {entry_point.name}",
            f"cannot be loaded from {entry_point.value}: {error}",
            f"install the version of {_distribution(entry_point)} that matches kubevouch",
        ) from None
    assert isinstance(command, click.Command)
    return command


def _distribution(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist is not None else "its distribution"
