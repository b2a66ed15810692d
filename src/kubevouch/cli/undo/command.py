"""`undo RUN`: every node that a run has changed goes back to its former files."""

import click

from kubevouch.cli.common.options import cluster, output, seconds, terminal_of


@click.command("undo", short_help="Puts the nodes of a run back to what they were.")
@click.argument("run")
@cluster
@output("table", "json")
@click.option(
    "--nodes",
    metavar="NAMES",
    help="Only these nodes, comma-separated; the ConfigMap stays as it is.",
)
@click.option("--ssh-config", metavar="FILE", help="ssh -F FILE, in place of the one in the plan.")
@click.option(
    "--gate-timeout",
    type=seconds,
    default="120s",
    show_default=True,
    metavar="DURATION",
    help="How long to wait until a node answers again.",
)
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@click.pass_context
def command(
    ctx: click.Context,
    run: str,
    kubeconfig: str | None,
    context: str | None,
    nodes: str | None,
    ssh_config: str | None,
    gate_timeout: float,
    yes: bool,
) -> int:
    """RUN is what `fix` printed, or the plan's file. The former config.yaml and pairs come back, the ConfigMap too.

    One node after the other, workers first; it ends at the first that does not come back. A file that was edited since
    the run keeps that edit. Approvals cannot be taken back; the certificates that came
    of them are set aside on the node, in /var/lib/kubelet/.kubevouch/RUN/strays.
    """
    from kubevouch.cli.common.runs import find_run
    from kubevouch.cli.common.ssh_choice import with_ssh_config
    from kubevouch.cli.undo.run import undo_plan

    terminal = terminal_of(ctx)
    terminal.tells_waits = terminal.nothing_changed = True
    terminal.roles = "kubevouch fix --print-role"
    plan = with_ssh_config(find_run(run, terminal.environment, f"undo {run}"), ssh_config, terminal)
    named = tuple(name for name in (nodes or "").split(",") if name)
    return undo_plan(terminal, run, plan, named, kubeconfig, context, gate_timeout, yes=yes)
