"""`approver upgrade`: another image, and the manifests of this version."""

import click

from kubevouch.cli.approver.options import applying
from kubevouch.cli.common.options import cluster, terminal_of


@click.command("upgrade", short_help="Another image and this version's manifests. Asks first.")
@cluster
@applying
@click.pass_context
def command(
    ctx: click.Context,
    kubeconfig: str | None,
    context: str | None,
    image: str,
    enforce: bool | None,
    users: tuple[str, ...],
    groups: tuple[str, ...],
    force: bool,
    dry_run: bool,
    wait: float,
    yes: bool,
) -> int:
    """Changes an installed approver: shows the diff, asks, applies, waits. Pins and configuration stay as they are."""
    from kubevouch.cli.approver.apply import InstallOptions, run
    from kubevouch.cli.approver.installation import checked_image
    from kubevouch.cli.common.connect import access_of

    terminal = terminal_of(ctx)
    terminal.roles = "kubevouch approver install --print-role"
    terminal.nothing_changed = True
    options = InstallOptions(
        image=checked_image(image),
        upgrade=True,
        new_nodes=None,
        enforce=enforce,
        users=users,
        groups=groups,
        pins=False,
        force=force,
        dry_run=dry_run,
        yes=yes,
        wait=wait,
    )
    return run(terminal, access_of(terminal, kubeconfig, context), options)
