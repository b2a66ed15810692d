"""`approver install`, `upgrade` and `remove`: the manifests of deploy/approver, applied and deleted after a look at every change."""

from typing import TYPE_CHECKING, Any

import click

from kubevouch.cli.common.options import F, all_of, connected, dry_run, print_role, yes
from kubevouch.cli.install.verbs import IMAGE, PRINT_ROLE, applying, may_write

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.kube.access import ClusterAccess


def _applying(function: F) -> F:
    """Which image, who may decide, and how it is applied."""
    return all_of(
        IMAGE,
        click.option(
            "--enforce/--no-enforce",
            default=None,
            help="Admission policies refuse, or only warn. Default: as they are; at first they warn.",
        ),
        click.option(
            "--may-approve-group",
            "groups",
            multiple=True,
            metavar="GROUP",
            help="The admission policy lets this group decide on CSRs of kubelets. May be repeated.",
        ),
        click.option(
            "--may-approve-user",
            "users",
            multiple=True,
            metavar="USER",
            help="The admission policy lets this user decide on CSRs of kubelets. May be repeated.",
        ),
        applying,
    )(function)


@click.command(short_help="Put the approver into the cluster. Shows every change, asks.")
@connected
@_applying
@click.option(
    "--new-nodes",
    type=click.Choice(["hold", "rule"]),
    help="Nodes that nobody has pinned are held, or admitted by a rule. Needed at first.",
)
@click.option(
    "--new-node-names", default="", metavar="PATTERN", help="Name pattern for `rule`, e.g. worker-*"
)
@click.option(
    "--new-node-cidr",
    "networks",
    multiple=True,
    metavar="CIDR",
    help="Network of their addresses for `rule`. May be repeated.",
)
@click.option(
    "--new-nodes-per-hour",
    "per_hour",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="How many nodes `rule` admits in an hour.",
)
@click.option("--no-pins", is_flag=True, help="Pin no node now.")
@print_role("approver", PRINT_ROLE)
def install(
    new_nodes: str | None,
    new_node_names: str,
    networks: tuple[str, ...],
    per_hour: int,
    no_pins: bool,
    **flags: Any,  # noqa: ANN401 - those of `_applying`
) -> int:
    """Installs the approver: shows the diff against what is live, asks, applies exactly that, waits until it is ready.

    The first install pins the nodes that are there now, once you have looked at their names and addresses. `approver remove`
    takes it out again.
    """
    from kubevouch.cli.approver.installation import configuration_text

    text = configuration_text(new_nodes, new_node_names, networks, per_hour)
    return _run(upgrade=False, configuration=text, pins=not no_pins, **flags)


@click.command(short_help="Apply another image and this version's manifests. Asks first.")
@connected
@_applying
def upgrade(**flags: Any) -> int:  # noqa: ANN401 - those of `_applying`
    """Changes an installed approver: shows the diff, asks, applies, waits. Pins and configuration stay as they are."""
    return _run(upgrade=True, configuration=None, pins=False, **flags)


def _run(
    *,
    terminal: "Terminal",
    access: "ClusterAccess",
    **flags: Any,  # noqa: ANN401 - the fields of InstallOptions
) -> int:
    from kubevouch.cli.approver import apply
    from kubevouch.cli.install.product import checked_image

    checked_image(flags["image"])
    may_write(terminal, "approver")
    return apply.run(terminal, access, apply.InstallOptions(**flags))


@click.command(short_help="Take the approver out again. Asks first; pins stay.")
@connected
@click.option("--pins", is_flag=True, help="Pins, records and the configuration go, too.")
@dry_run
@yes
def remove(terminal: "Terminal", access: "ClusterAccess", pins: bool, yes: bool) -> int:
    """Deletes the objects that `install` made, which bear its label, after it has listed them.

    What operators wrote and what the approver recorded stays, unless --pins is given. The namespace stays.
    """
    from kubevouch.cli.approver import removal

    may_write(terminal, "approver")
    return removal.run(terminal, access, pins=pins, yes=yes)
