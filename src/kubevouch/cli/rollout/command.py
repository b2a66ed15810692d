"""The verbs of a rollout: `plan` shows changes, `apply` makes them, `status` shows runs, `resume` continues a run, `undo` reverts it."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

import click

from kubevouch.cli.common.complete import completed, run_names
from kubevouch.cli.common.legend import RESULTS, RUNS, WithLegend
from kubevouch.cli.common.options import (
    FORMS,
    all_of,
    allow,
    by_ssh,
    cluster_names,
    connected,
    duration,
    only_nodes,
    output,
    output_or_file,
    print_role,
    writing,
    yes,
)
from kubevouch.cli.common.watching import watchable
from kubevouch.errors import UsageError
from kubevouch.rollout.decide.timeouts import RolloutTimeouts

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.kube.access import ClusterAccess
    from kubevouch.rollout.decide.entitled import OperatorWord
    from kubevouch.rollout.decide.plan import NodeOptions, PodPlace

_NAMESPACE = "kube-system"


_other_ssh_config = click.option(
    "--ssh-config",
    metavar="FILE",
    help="Use this ssh configuration instead of the plan's.",
)
_transport = all_of(
    click.option(
        "--via",
        type=click.Choice(["ssh", "pod"]),
        default="ssh",
        show_default=True,
        help="Reach the nodes over ssh, or with short-lived privileged pods.",
    ),
    click.option(
        "--image",
        metavar="NAME@sha256:DIGEST",
        help="With --via pod: image of the pods.",
    ),
    click.option(
        "--pod-namespace",
        metavar="NAME",
        help="With --via pod: namespace of the pods. It must admit privileged pods. Default: kube-system.",
    ),
    only_nodes(),
    by_ssh,
)
_addresses = click.option(
    "--addresses",
    metavar="FILE",
    help="Trust the addresses in FILE (lines `NODE ADDRESS`). Default: `plan` asks on a terminal.",
)
_without_credential_id = click.option(
    "--without-credential-id",
    is_flag=True,
    help="Also approve CSRs that record no credential ID (before Kubernetes 1.32).",
)
_times = all_of(
    duration(
        "--gate-timeout",
        f"{RolloutTimeouts().gates:.0f}s",
        "Undo a node that has not passed every gate after this time.",
    ),
    duration(
        "--soak",
        f"{RolloutTimeouts().soak:.0f}s",
        "Watch the first worker of each OS image, kubelet version and architecture this long before changing others.",
    ),
)


_STATES = "kubevouch.rollout.decide.run_status:NodeState"
_with_results = functools.partial(click.command, cls=WithLegend, heads=RESULTS, words=_STATES)


def _word(function: Callable[..., int]) -> Callable[..., int]:
    """Adds the options with which the operator states facts about the cluster. Passes them to the verb as `word`."""

    @functools.wraps(function)
    def with_word(
        cluster_domain: str,
        service_cidr: tuple[str, ...],
        without_credential_id: bool,
        **others: object,
    ) -> int:
        from kubevouch.cli.common.allow import network_of
        from kubevouch.rollout.decide.entitled import OperatorWord

        word = OperatorWord(
            domains=(cluster_domain,) if cluster_domain else (),
            service_networks=tuple(map(network_of, service_cidr)),
            without_credential_id=without_credential_id,
        )
        return function(word=word, **others)

    verb: Callable[..., int] = with_word
    return all_of(cluster_names, _without_credential_id)(verb)


def _pods(via: str, image: str | None, namespace: str | None) -> "PodPlace | None":
    """Namespace and image for --via pod. Raises UsageError for conflicting flags."""
    from kubevouch.cli.install.product import checked_image
    from kubevouch.rollout.decide.plan import PodPlace

    if via != "pod":
        if image or namespace:
            raise UsageError(f"--via {via}", "--image and --pod-namespace require --via pod")
        return None
    return PodPlace(namespace or _NAMESPACE, checked_image(image or ""))


class _WayOptions(TypedDict):
    via: Literal["ssh", "pod"]
    image: str | None
    pod_namespace: str | None
    nodes: tuple[str, ...]
    ssh_config: str | None
    ssh_user: str | None
    ask_sudo_password: bool


def _node_options(terminal: "Terminal", way: _WayOptions) -> "NodeOptions":
    """The selected nodes and their transport. Raises UsageError for conflicting flags."""
    from kubevouch.cli.common.invocation import SSH_CONFIG
    from kubevouch.rollout.decide.plan import NodeOptions

    via = way["via"]
    if way["ask_sudo_password"] and via != "ssh":
        raise UsageError(f"--via {via}", "--ask-sudo-password requires --via ssh")
    config = way["ssh_config"] or terminal.environment.get(SSH_CONFIG, "")
    return NodeOptions(
        via=via,
        ssh_config=str(Path(config).absolute()) if config else "",
        ssh_user=way["ssh_user"] or "",
        ask_sudo_password=way["ask_sudo_password"],
        pods=_pods(via, way["image"], way["pod_namespace"]),
        only=way["nodes"],
    )


@click.command("plan")
@output_or_file
@connected
@_transport
@allow
@_addresses
@_word
@_times
def plan(
    terminal: "Terminal",
    access: "ClusterAccess",
    output: str,
    allow: tuple[str, ...],
    addresses: str | None,
    word: "OperatorWord",
    gate_timeout: float,  # noqa: ARG001 - NEXT repeats it
    soak: float,
    **way: Unpack[_WayOptions],
) -> int:
    """Reads the nodes and shows how to turn serverTLSBootstrap on: diffs, names, order and undo.

    \b
      kubevouch plan -o plan.json   write the plan to a file (changes nothing)
      kubevouch apply plan.json     carry it out, and verify each node

    If your known_hosts has only addresses, `plan` shows the address, host key and machine-id of each node, and asks
    whether they are right.
    """
    from kubevouch.cli.rollout.plan import VouchedValues, make_plan

    terminal.tells_waits = terminal.nothing_changed = True
    options = _node_options(terminal, way)
    file = None if output in FORMS else Path(output)
    vouched = VouchedValues(allow, addresses)
    return make_plan(terminal, access, options, vouched, word, soak, file)


@click.command("status", cls=WithLegend, heads=RUNS, words=_STATES)
@click.argument("run", required=False, default="", shell_complete=completed(run_names))
@output()
@connected
@watchable
@_transport
@yes
def status(
    terminal: "Terminal",
    access: "ClusterAccess",
    run: str,
    yes: bool,
    **way: Unpack[_WayOptions],
) -> int:
    """Shows the state of RUN on each node. Without RUN, shows every run, and lists the runs stored on this machine.

    RUN is the name that `apply` printed, or the plan's file. Over ssh, `status` works while the API server is down.
    """
    from kubevouch.cli.rollout.status import show_status

    terminal.tells_waits = terminal.nothing_changed = True
    options = _node_options(terminal, way)
    return show_status(terminal, access, run, options, way["ssh_config"], yes=yes)


_carries_out = all_of(
    output(),
    connected,
    _other_ssh_config,
    _word,
    _times,
    writing,
    print_role("rollout", "apply, resume and undo need"),
)


@_with_results("apply")
@click.argument("plan", metavar="FILE", type=click.Path(path_type=Path))
@_carries_out
def apply(plan: Path, **options: Any) -> int:  # noqa: ANN401 - for `_carry_out`
    """Turns serverTLSBootstrap on according to the plan in FILE.

    Each kubelet's port keeps answering, except for about a second while the kubelet restarts. Workers come first,
    control planes last. If every rule of the policy passes, `apply` approves the kubelet's CSR. It verifies the result
    with a TLS handshake. If a node is not verified in time, this run or the node's own dead-man's switch restores it.
    """
    return _carry_out("apply", str(plan), **options)


@_with_results("resume")
@click.argument("run", shell_complete=completed(run_names))
@_carries_out
def resume(run: str, **options: Any) -> int:  # noqa: ANN401 - for `_carry_out`
    """Continues an interrupted run. RUN is the name of a run that began on this machine, or the plan's file.

    `resume` reads the state of each node to find what is left to do.
    """
    return _carry_out("resume", run, **options)


def _carry_out(
    verb: str,
    given: str,
    *,
    terminal: "Terminal",
    access: "ClusterAccess",
    word: "OperatorWord",
    ssh_config: str | None,
    gate_timeout: float,
    soak: float,
    yes: bool,
) -> int:
    """Runs `apply` or `resume`. given: the plan's file or the run."""
    from kubevouch.cli.common.runs import times_of
    from kubevouch.cli.rollout.apply import apply_plan, found_plan
    from kubevouch.cli.rollout.ending import leading_on
    from kubevouch.cli.rollout.ssh_config import with_ssh_config
    from kubevouch.rollout.decide.next_step import words_of

    terminal.tells_waits = terminal.nothing_changed = True
    found, path = found_plan(verb, given, terminal)
    kept = times_of(found.run, terminal.environment)
    times = _times_of(kept, RolloutTimeouts(gate_timeout, soak))
    asked = ("kubevouch", verb, given, *words_of(word))
    with leading_on(terminal, found, path, asked, word):
        found = with_ssh_config(found, ssh_config, terminal)
        return apply_plan(terminal, access, found, path, times, asked=asked, word=word, yes=yes)


def _times_of(kept: RolloutTimeouts, given: RolloutTimeouts) -> RolloutTimeouts:
    """The run's stored timeouts, unless flags replace them. Raises UsageError if the gate timeout is too long."""
    from click.core import ParameterSource

    from kubevouch.evidence.run_holder import LONGEST_GATES

    def is_given(name: str) -> bool:
        source = click.get_current_context().get_parameter_source(name)
        return source is ParameterSource.COMMANDLINE

    times = RolloutTimeouts(
        given.gates if is_given("gate_timeout") else kept.gates,
        given.soak if is_given("soak") else kept.soak,
    )
    if times.gates > LONGEST_GATES:
        seen = f"expected {LONGEST_GATES:.0f}s or less, got {times.gates:.0f}s"
        raise UsageError("--gate-timeout", seen)
    return times


@_with_results("undo")
@click.argument("run", shell_complete=completed(run_names))
@output()
@connected
@only_nodes("; the ConfigMap stays as it is")
@_other_ssh_config
@duration("--gate-timeout", "120s", "How long to wait for a node to answer again.")
@writing
def undo(
    terminal: "Terminal",
    access: "ClusterAccess",
    run: str,
    nodes: tuple[str, ...],
    ssh_config: str | None,
    gate_timeout: float,
    yes: bool,
) -> int:
    """Restores each kubelet's former config.yaml, certificates and keys, and the kubelet-config ConfigMap.

    RUN is the name that `apply` printed, or the plan's file. Nodes are restored one after another, workers first. The
    undo stops at the first node that is unhealthy afterwards. If somebody has edited a file since the run, the edit
    stays. Approvals cannot be undone. The issued certificates move to /var/lib/kubelet/.kubevouch/RUN/strays on the
    node.
    """
    from kubevouch.cli.common.runs import find_run
    from kubevouch.cli.rollout.ending import leading_on
    from kubevouch.cli.rollout.ssh_config import with_ssh_config
    from kubevouch.cli.rollout.undo import undo_plan
    from kubevouch.rollout.decide.advice import UNDO, some

    terminal.tells_waits = terminal.nothing_changed = True
    terminal.roles = "kubevouch apply --print-role"
    plan = with_ssh_config(find_run(run, terminal.environment, f"undo {run}"), ssh_config, terminal)
    again = (*UNDO, run, *some(nodes))
    with leading_on(terminal, plan, Path("plan.json"), again):
        return undo_plan(terminal, access, plan, again, nodes, gate_timeout, yes=yes)
