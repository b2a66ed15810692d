"""`fix --plan` shows every change before it is made; `fix --apply` makes it, node by node, each proven on the wire.

`--status` looks at runs, `--resume` goes on with one that was cut off.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubevouch.cli.common.options import (
    allow,
    ask_sudo_password,
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

if TYPE_CHECKING:
    from kubevouch.rollout.decide.plan import PodPlace, Via

_NAMESPACE = "kube-system"
_MODES = "--plan FILE, --apply FILE, --status [RUN] and --resume RUN"


def _roles() -> str:
    from kubevouch.cli.common.roles import FIXER

    return FIXER


def _via(word: str) -> "Via":
    return "local" if word == "local" else "pod" if word == "pod" else "ssh"


def _asks(via: str, asks: bool) -> bool:
    """Whether a password is asked for. Raises UsageError where no sudo would take it."""
    if asks and via != "ssh":
        raise UsageError(f"--via {via}", "--ask-sudo-password belongs to --via ssh")
    return asks


def _pods(via: str, image: str | None, namespace: str | None) -> "PodPlace | None":
    """Where pods are made, if --via pod is said. Raises UsageError for what does not go together."""
    from kubevouch.cli.approver.installation import checked_image
    from kubevouch.cli.approver.options import NO_PUBLIC_IMAGE
    from kubevouch.rollout.decide.plan import PodPlace

    if via != "pod":
        if image or namespace:
            raise UsageError("fix --plan", "--image and --pod-namespace belong to --via pod")
        return None
    if not image:
        expected = f"NAME@sha256:DIGEST was expected. {NO_PUBLIC_IMAGE}"
        raise UsageError("--via pod", "--image is missing", expected)
    return PodPlace(namespace or _NAMESPACE, checked_image(image))


def _times(ctx: click.Context, kept: RolloutTimeouts, gates: float, soak: float) -> RolloutTimeouts:
    """Those of the run, where they are kept and nothing else is said. Raises UsageError for gates that no switch may wait for."""
    from click.core import ParameterSource

    from kubevouch.evidence.run_holder import LONGEST_GATES

    said = [
        ctx.get_parameter_source(each) is ParameterSource.COMMANDLINE
        for each in ("gate_timeout", "soak")
    ]
    times = RolloutTimeouts(gates if said[0] else kept.gates, soak if said[1] else kept.soak)
    if times.gates > LONGEST_GATES:
        raise UsageError(
            "--gate-timeout", f"{times.gates:.0f}s", f"{LONGEST_GATES:.0f}s at most was expected"
        )
    return times


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
@click.option(
    "--status",
    "status_of",
    is_flag=False,
    flag_value="",
    metavar="[RUN]",
    help="Where a run stands on its nodes, or which one does on all nodes. Changes nothing.",
)
@click.option(
    "--resume",
    "resumed",
    metavar="RUN",
    help="Go on with a run that was begun on this machine, or that of a plan's file. Writes.",
)
@cluster
@output("table", "json")
@click.option(
    "--via",
    type=click.Choice(["ssh", "local", "pod"]),
    default="ssh",
    show_default=True,
    help="How scripts get to the nodes; local: this machine is the only node of the plan; pod: by short-lived privileged pods.",
)
@click.option(
    "--image",
    metavar="NAME@sha256:DIGEST",
    help="With --via pod: what the pods run, by its digest.",
)
@click.option(
    "--pod-namespace",
    metavar="NAME",
    help="With --via pod: where the pods are made; it must let privileged ones in. Default: kube-system.",
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
    help="Log in as USER: root, or somebody who has sudo.",
)
@ask_sudo_password
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
@click.option(
    "--soak",
    type=seconds,
    default=f"{RolloutTimeouts().soak:.0f}s",
    show_default=True,
    metavar="DURATION",
    help="How long the first changed node of each kind is left alone before the others of that kind follow.",
)
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@print_role(_roles, "--apply needs")
@click.pass_context
def command(
    ctx: click.Context,
    plan_file: Path | None,
    apply_file: Path | None,
    status_of: str | None,
    resumed: str | None,
    kubeconfig: str | None,
    context: str | None,
    via: str,
    image: str | None,
    pod_namespace: str | None,
    nodes: str | None,
    ssh_config: str | None,
    ssh_user: str | None,
    ask_sudo_password: bool,
    allow: tuple[str, ...],
    cluster_domain: str,
    service_cidr: tuple[str, ...],
    without_credential_id: bool,
    gate_timeout: float,
    soak: float,
    yes: bool,
) -> int:
    """Turns serverTLSBootstrap on, has each kubelet's CSR approved by the policy, and proves the result on the wire.

    \b
      kubevouch fix --plan plan.json   looks only: diffs, names, order, undo
      kubevouch fix --apply plan.json  does it; workers first, control planes last
      kubevouch fix --status           looks only: where a run stands on nodes
      kubevouch fix --resume RUN       goes on with a run that was cut off

    A node that is not proven in time is put back to what it was, by us or by its own dead-man's switch.
    """
    from kubevouch.cli.common.allow import network_of, node_values

    terminal = terminal_of(ctx)
    terminal.tells_waits = terminal.nothing_changed = True
    asked = (plan_file, apply_file, status_of, resumed)
    if sum(each is not None for each in asked) != 1:
        raise UsageError("fix", f"one of {_MODES} was expected")
    from kubevouch.rollout.decide.operator_word import OperatorWord

    word = OperatorWord(
        domains=(cluster_domain,) if cluster_domain else (),
        service_networks=tuple(map(network_of, service_cidr)),
        without_credential_id=without_credential_id,
    )
    if plan_file is not None or status_of is not None:
        from kubevouch.cli.common.invocation import SSH_CONFIG
        from kubevouch.cli.fix.plan import FixOptions, make_plan
        from kubevouch.cli.fix.status import show_status

        wish = FixOptions(
            via=_via(via),
            nodes=tuple(name for name in (nodes or "").split(",") if name),
            ssh_config=ssh_config or terminal.environment.get(SSH_CONFIG, ""),
            ssh_user=ssh_user or "",
            ask_sudo_password=_asks(via, ask_sudo_password),
            accepted=node_values(allow),
            word=word,
            pods=_pods(via, image, pod_namespace),
            soak=soak,
        )
        if plan_file is not None:
            return make_plan(terminal, wish, plan_file, kubeconfig, context)
        return show_status(
            terminal, status_of or "", wish, kubeconfig, context, ssh_config, yes=yes
        )
    if nodes or allow or ssh_user or ask_sudo_password or image or pod_namespace:
        seen = "--nodes, --allow, --ssh-user, --ask-sudo-password, --image and --pod-namespace belong to --plan"
        raise UsageError("fix --apply", seen)
    from kubevouch.cli.common.runs import times_of
    from kubevouch.cli.fix.apply import apply_plan, found_plan
    from kubevouch.cli.fix.refusal import leading_on
    from kubevouch.rollout.decide.advice import APPLY, RESUME
    from kubevouch.rollout.decide.next_step import words_of

    plan, path = found_plan(apply_file, resumed, terminal)
    again = (*RESUME, resumed) if resumed else (*APPLY, str(apply_file))
    carried_out = (*again, *words_of(word))
    times = _times(ctx, times_of(plan.run, terminal.environment), gate_timeout, soak)
    with leading_on(terminal, plan, path, carried_out, word, kubeconfig, context):
        return apply_plan(
            terminal,
            plan,
            path,
            kubeconfig,
            context,
            times,
            asked=carried_out,
            given=resumed or str(apply_file),
            ssh_config=ssh_config,
            word=word,
            yes=yes,
        )
