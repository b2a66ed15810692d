"""`approver remove`: takes out what `install` made, and nothing else."""

import click

from kubevouch.cli.common.options import cluster, seconds, terminal_of


@click.command("remove", short_help="Take the approver out again. Asks first; pins stay.")
@cluster
@click.option("--pins", is_flag=True, help="Pins, records and the namespace go, too.")
@click.option(
    "--wait",
    type=seconds,
    default="1m",
    show_default=True,
    metavar="DURATION",
    help="How long to wait until the namespace is gone.",
)
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@click.pass_context
def command(
    ctx: click.Context,
    kubeconfig: str | None,
    context: str | None,
    pins: bool,
    wait: float,
    yes: bool,
) -> int:
    """Deletes the objects that `install` made, which bear its label, after it has listed them.

    The namespace stays with what operators pinned and what the approver recorded, unless --pins is given.
    """
    from kubevouch.cli.approver.removal import run
    from kubevouch.cli.common.connect import access_of

    terminal = terminal_of(ctx)
    terminal.roles = "kubevouch approver install --print-role"
    terminal.nothing_changed = True
    access = access_of(terminal, kubeconfig, context)
    return run(terminal, access, pins=pins, yes=yes, wait=wait)
