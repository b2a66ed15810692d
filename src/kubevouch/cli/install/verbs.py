"""The commands `install`, `upgrade` and `remove` of a server, and their common options."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from kubevouch.cli.common.options import F, all_of, connected, duration, print_role, writing

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.kube.access import ClusterAccess

IMAGE = click.option(
    "--image",
    default="",
    metavar="NAME@sha256:DIGEST",
    help="The image. [default: this release's image, if any]",
)
PRINT_ROLE = "`install`, `upgrade` and `remove` need"


def applying(function: F) -> F:
    """Adds --wait, --dry-run and --yes."""
    return all_of(
        duration("--wait", "2m", "How long to wait until the server is ready."),
        writing,
    )(function)


def server_commands(verb: str) -> Iterator[click.Command]:
    """Yields `install`, `upgrade` and `remove` for a server whose only setting is its image. verb: the name of the group."""
    title = verb.replace("-", " ")

    def apply(
        terminal: "Terminal",
        access: "ClusterAccess",
        **flags: Any,  # noqa: ANN401 - the fields of ApplyOptions
    ) -> int:
        from kubevouch.cli.install.apply import ApplyOptions, install_plainly
        from kubevouch.cli.install.product import checked_image
        from kubevouch.cli.install.products import PRODUCTS

        flags["image"] = checked_image(flags["image"])
        terminal.may_write(f"kubevouch {verb} install --print-role")
        return install_plainly(terminal, access, PRODUCTS[verb], ApplyOptions(**flags))

    @click.command(
        help=f"Installs the {title}: shows the diff against the cluster, applies exactly that diff after you confirm, and "
        "waits until the pods are ready.",
        short_help=f"Install the {title}. Shows every change and asks.",
    )
    @connected
    @IMAGE
    @applying
    @print_role(verb, PRINT_ROLE)
    def install(**flags: Any) -> int:  # noqa: ANN401 - those of `apply`
        return apply(upgrade=False, **flags)

    @click.command(
        help=f"Changes an installed {title}: shows the diff, applies it after you confirm, and waits until the pods are ready.",
        short_help=f"Upgrade the {title}. Shows every change and asks.",
    )
    @connected
    @IMAGE
    @applying
    def upgrade(**flags: Any) -> int:  # noqa: ANN401 - those of `apply`
        return apply(upgrade=True, **flags)

    @click.command(
        help=f"Lists the {title}'s objects (label app.kubernetes.io/part-of=kubevouch), asks you to confirm, and deletes them.",
        short_help=f"Remove the {title}. Asks first.",
    )
    @connected
    @writing
    def remove(terminal: "Terminal", access: "ClusterAccess", yes: bool) -> int:
        from kubevouch.cli.install.products import PRODUCTS
        from kubevouch.cli.install.removal import remove_plainly

        terminal.may_write(f"kubevouch {verb} install --print-role")
        return remove_plainly(terminal, access, PRODUCTS[verb], yes=yes)

    yield from (install, upgrade, remove)
