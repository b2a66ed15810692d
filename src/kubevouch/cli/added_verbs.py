"""Verbs that other distributions add, by an entry point of the group `kubevouch.verbs`; `lab` is one.

The search reads the metadata of every installed distribution. Only the help and unknown verbs need it.
"""

from importlib.metadata import EntryPoint, entry_points

import click

from kubevouch.errors import KubevouchError

GROUP = "kubevouch.verbs"
NOT_INSTALLED = {
    "lab": "it is a distribution of its own: `pip install ./lab` in a checkout of kubevouch installs it"
}
"""Known verbs of other distributions, and how to install them."""


class VerbNotLoaded(KubevouchError):
    """A distribution announces a verb that cannot be imported."""


def added_verbs() -> dict[str, EntryPoint]:
    """Each verb that an installed distribution adds, sorted by name."""
    return {each.name: each for each in sorted(entry_points(group=GROUP), key=lambda e: e.name)}


def loaded(entry_point: EntryPoint) -> click.Command:
    """The command behind an entry point.

    Raises:
        VerbNotLoaded: its distribution is broken, or has another version than ours.
    """
    try:
        command = entry_point.load()
    except (ImportError, AttributeError) as error:
        raise VerbNotLoaded(
            f"kubevouch {entry_point.name}",
            f"cannot be loaded from {entry_point.value}: {error}",
            f"install {_distribution(entry_point)} again, in the version of kubevouch",
        ) from None
    assert isinstance(command, click.Command)
    return command


def _distribution(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist is not None else "its distribution"
