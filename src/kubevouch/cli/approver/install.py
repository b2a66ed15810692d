"""`approver install`: the manifests of deploy/approver, applied after a look at every change."""

import click

from kubevouch.cli.approver.options import applying
from kubevouch.cli.common.options import cluster, print_role, terminal_of


def _roles() -> str:
    from kubevouch.cli.approver.roles import INSTALLER

    return INSTALLER


@click.command("install", short_help="Put the approver into the cluster. Shows every change, asks.")
@cluster
@applying
@click.option(
    "--new-nodes",
    type=click.Choice(["hold", "rule"]),
    help="Nodes that nobody has pinned are held, or admitted by a rule. Asked if not said.",
)
@click.option("--new-node-names", default="", metavar="PATTERN", help="Of the rule: worker-*, say.")
@click.option(
    "--new-node-cidr",
    "networks",
    multiple=True,
    metavar="CIDR",
    help="Of the rule: where their addresses lie. May be repeated.",
)
@click.option(
    "--new-nodes-per-hour",
    "per_hour",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="Of the rule: how many it admits in an hour.",
)
@click.option(
    "--no-pins", is_flag=True, help="Pin no node now. Where there are pins none is added."
)
@print_role(_roles, "whoever installs, upgrades or removes needs")
@click.pass_context
def command(
    ctx: click.Context,
    kubeconfig: str | None,
    context: str | None,
    image: str,
    new_nodes: str | None,
    new_node_names: str,
    networks: tuple[str, ...],
    per_hour: int,
    no_pins: bool,
    enforce: bool | None,
    users: tuple[str, ...],
    groups: tuple[str, ...],
    force: bool,
    dry_run: bool,
    wait: float,
    yes: bool,
) -> int:
    """Installs the approver: shows the diff against what is live, asks, applies exactly that, waits until it is ready.

    All nodes that are there now are pinned, once you have looked at their names and addresses. `approver remove` takes
    it out again.
    """
    from kubevouch.cli.approver.apply import InstallOptions, run
    from kubevouch.cli.approver.installation import checked_image
    from kubevouch.cli.approver.new_nodes import wish_of
    from kubevouch.cli.common.connect import access_of

    terminal = terminal_of(ctx)
    terminal.roles = "kubevouch approver install --print-role"
    terminal.nothing_changed = True
    options = InstallOptions(
        image=checked_image(image),
        upgrade=False,
        new_nodes=wish_of(new_nodes, new_node_names, networks, per_hour),
        enforce=enforce,
        users=users,
        groups=groups,
        pins=not no_pins,
        force=force,
        dry_run=dry_run,
        yes=yes,
        wait=wait,
    )
    return run(terminal, access_of(terminal, kubeconfig, context), options)
