"""`approver install`, `upgrade` and `remove` apply or delete the manifests in deploy/approver.

They first show every change, and ask for confirmation.
"""

from typing import TYPE_CHECKING, Any

import click

from kubevouch.cli.common.options import F, all_of, connected, print_role, writing
from kubevouch.cli.install.verbs import IMAGE, PRINT_ROLE, applying

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.kube.access import ClusterAccess


def _applying(function: F) -> F:
    """The common options of `install` and `upgrade`."""
    return all_of(
        IMAGE,
        click.option(
            "--enforce/--no-enforce",
            default=None,
            help="Let the admission policies deny requests, or only warn. Default: no change; on a first install, only warn.",
        ),
        click.option(
            "--may-approve-group",
            "groups",
            multiple=True,
            metavar="GROUP",
            help="Let this group approve and deny kubelets' CSRs (admission policy). May be repeated.",
        ),
        click.option(
            "--may-approve-user",
            "users",
            multiple=True,
            metavar="USER",
            help="Let this user approve and deny kubelets' CSRs (admission policy). May be repeated.",
        ),
        applying,
    )(function)


@click.command(short_help="Install the approver. Shows every change and asks.")
@connected
@_applying
@click.option(
    "--new-nodes",
    type=click.Choice(["hold", "rule"]),
    help="For nodes without a pin: hold their CSRs, or let a rule admit them. Required for a first install.",
)
@click.option(
    "--new-node-names", default="", metavar="PATTERN", help="Name pattern for `rule`, e.g. worker-*"
)
@click.option(
    "--new-node-cidr",
    "networks",
    multiple=True,
    metavar="CIDR",
    help="With --new-nodes=rule: a network with addresses of new nodes. May be repeated.",
)
@click.option(
    "--new-nodes-per-hour",
    "per_hour",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="Maximum number of nodes that `rule` admits per hour.",
)
@click.option("--no-pins", is_flag=True, help="Pin no nodes.")
@print_role("approver", PRINT_ROLE)
def install(
    new_nodes: str | None,
    new_node_names: str,
    networks: tuple[str, ...],
    per_hour: int,
    no_pins: bool,
    **flags: Any,  # noqa: ANN401 - those of `_applying`
) -> int:
    """Installs the approver: shows the diff against the cluster, and applies exactly that diff after you confirm.

    Then `install` waits until the pods are ready. The first install also shows the names and addresses of all nodes,
    and pins them after you confirm. `approver remove` removes the approver.
    """
    from kubevouch.cli.approver.installation import configuration_text

    text = configuration_text(new_nodes, new_node_names, networks, per_hour)
    return _run(upgrade=False, configuration=text, pins=not no_pins, **flags)


@click.command(short_help="Upgrade the approver. Shows every change and asks.")
@connected
@_applying
def upgrade(**flags: Any) -> int:  # noqa: ANN401 - those of `_applying`
    """Changes an installed approver: shows the diff, applies it after you confirm, and waits until the pods are ready.

    Pins and configuration stay unchanged.
    """
    return _run(upgrade=True, configuration=None, pins=False, **flags)


def _run(
    *,
    terminal: "Terminal",
    access: "ClusterAccess",
    **flags: Any,  # noqa: ANN401 - the fields of InstallOptions
) -> int:
    from kubevouch.cli.approver import apply
    from kubevouch.cli.install.product import checked_image

    flags["image"] = checked_image(flags["image"])
    terminal.may_write("kubevouch approver install --print-role")
    return apply.run(terminal, access, apply.InstallOptions(**flags))


@click.command(short_help="Remove the approver, but not the pins. Asks first.")
@connected
@click.option(
    "--pins", is_flag=True, help="Also delete pins, configuration and the approver's records."
)
@writing
def remove(terminal: "Terminal", access: "ClusterAccess", pins: bool, yes: bool) -> int:
    """Lists the approver's objects (label app.kubernetes.io/part-of=kubevouch), asks you to confirm, and deletes them.

    Pins, configuration and the approver's records stay, unless you give --pins. The namespace stays.
    """
    from kubevouch.cli.approver import removal

    terminal.may_write("kubevouch approver install --print-role")
    return removal.run(terminal, access, pins=pins, yes=yes)
