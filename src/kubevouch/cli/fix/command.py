"""`fix --plan` shows every change before it is made; `fix --apply` makes it, node by node, each proven on the wire."""

from pathlib import Path

import click

from kubevouch.cli.common.options import (
    allow,
    cluster,
    cluster_domain,
    output,
    print_role,
    seconds,
    service_cidr,
    terminal_of,
)
from kubevouch.errors import UsageError
from kubevouch.rollout.decide.timeouts import RolloutTimeouts


def _roles() -> str:
    from kubevouch.cli.common.roles import FIXER

    return FIXER


@click.command("fix", short_help="serverTLSBootstrap on every node, without the port going dark.")
@click.option(
    "--plan",
    "plan_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Look at the nodes and write a plan to FILE. Changes nothing.",
)
@click.option(
    "--apply",
    "apply_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Carry out the plan in FILE. Writes.",
)
@cluster
@output("table", "json")
@click.option(
    "--via",
    type=click.Choice(["ssh", "local"]),
    default="ssh",
    show_default=True,
    help="How scripts get to the nodes; local: this machine is the only node of the plan.",
)
@click.option("--nodes", metavar="NAMES", help="Only these nodes, comma-separated.")
@click.option(
    "--ssh-config",
    metavar="FILE",
    help="ssh -F FILE. With --plan: else $KUBEVOUCH_SSH_CONFIG. With --apply: in place of the one in the plan.",
)
@click.option(
    "--ssh-user",
    metavar="USER",
    help="Log in as USER: root, or somebody with sudo that asks no password.",
)
@allow
@cluster_domain
@service_cidr
@click.option(
    "--without-credential-id",
    is_flag=True,
    help="Approve although the API server (older than Kubernetes 1.32) does not tell which credential made a CSR.",
)
@click.option(
    "--gate-timeout",
    type=seconds,
    default=f"{RolloutTimeouts().gates:.0f}s",
    show_default=True,
    metavar="DURATION",
    help="A node that has not passed every gate by then is undone.",
)
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@print_role(_roles, "--apply needs")
@click.pass_context
def command(
    ctx: click.Context,
    plan_file: Path | None,
    apply_file: Path | None,
    kubeconfig: str | None,
    context: str | None,
    output: str,
    via: str,
    nodes: str | None,
    ssh_config: str | None,
    ssh_user: str | None,
    allow: tuple[str, ...],
    cluster_domain: str,
    service_cidr: tuple[str, ...],
    without_credential_id: bool,
    gate_timeout: float,
    yes: bool,
) -> int:
    """Turns serverTLSBootstrap on, has each kubelet's CSR approved by the policy, and proves the result on the wire.

    \b
      kubevouch fix --plan plan.json   looks only: diffs, names, order, undo
      kubevouch fix --apply plan.json  does it; workers first, control planes last

    A node that is not proven in time is put back to what it was, by us or by its own dead-man's switch.
    """
    from kubevouch.cli.common.allow import network_of, node_values

    terminal = terminal_of(ctx)
    terminal.tells_waits = True
    if (plan_file is None) == (apply_file is None):
        raise UsageError("fix", "one of --plan FILE and --apply FILE was expected")
    from kubevouch.rollout.decide.operator_word import OperatorWord

    word = OperatorWord(
        domains=(cluster_domain,) if cluster_domain else (),
        service_networks=tuple(map(network_of, service_cidr)),
        without_credential_id=without_credential_id,
    )
    if plan_file is not None:
        from kubevouch.cli.common.ssh_choice import SSH_CONFIG
        from kubevouch.cli.fix.plan import FixOptions, make_plan

        wish = FixOptions(
            via="local" if via == "local" else "ssh",
            nodes=tuple(name for name in (nodes or "").split(",") if name),
            ssh_config=ssh_config or terminal.environment.get(SSH_CONFIG, ""),
            ssh_user=ssh_user or "",
            accepted=node_values(allow),
            word=word,
        )
        return make_plan(terminal, wish, plan_file, kubeconfig, context, output)
    assert apply_file is not None
    if nodes or allow or ssh_user:
        raise UsageError("fix --apply", "--nodes, --allow and --ssh-user belong to --plan")
    from kubevouch.cli.fix.apply import apply_plan

    return apply_plan(
        terminal,
        apply_file,
        kubeconfig,
        context,
        gate_timeout,
        ssh_config=ssh_config,
        word=word,
        yes=yes,
        form=output,
    )
