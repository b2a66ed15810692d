"""Prints a plan, the result of a run, and the next command."""

from collections.abc import Collection, Sequence
from pathlib import Path
from shlex import join

import msgspec

from kubevouch.cli.common.documents import print_document
from kubevouch.cli.common.legend import RESULTS
from kubevouch.cli.common.runs import kept_run
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.cli.rollout.run_log import RunLog
from kubevouch.rollout.decide.advice import RESUME, Case, NextStep, step
from kubevouch.rollout.decide.intent import in_which_order, what_pods_are
from kubevouch.rollout.decide.lineup import Lineup
from kubevouch.rollout.decide.next_step import Commands, next_for_left_out
from kubevouch.rollout.decide.plan import NodePlan, Plan, ordered
from kubevouch.rollout.decide.result import RunResult
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.tls import joined

_MOST_IN_TURN = 12
_INTERRUPTION = "the kubelet restarts: its port is closed for about a second; no pod restarts"


def print_plan(
    terminal: Terminal,
    plan: Plan,
    file: Path | None,
    commands: Commands,
    pinned: Sequence[str],
    *,
    soak: float,
) -> None:
    """Prints the plan as text: order, changes, names with their sources, safety, undo.

    commands: makes the commands to suggest. pinned: nodes to pin for the approver. soak: the run's soak time, in
    seconds.
    """
    cluster = plan.cluster
    terminal.long_line(
        f"Cluster  {cluster.server}   context {cluster.context or 'service account'}   {cluster.version}"
        f"   kube-system {cluster.cluster_uid}",
    )
    _print_ssh(terminal, plan)
    if plan.pods:
        terminal.long_line(f"Pods     {what_pods_are(plan.pods)}")
    nodes = ordered(plan.nodes)
    if nodes:
        _print_order(terminal, plan, soak)
    for change in _changes(nodes):
        _print_change(terminal, change)
    if plan.config_map is not None:
        _apart(terminal, f"Change   ConfigMap kube-system/{plan.config_map.name}, after all nodes")
        _print_diff(terminal, plan.config_map.diff)
    for node in nodes:
        _print_node(terminal, node)
    _print_left_out(terminal, plan, commands)
    if pinned:
        _apart(
            terminal,
            f"Pins     written for the approver before any change: {', '.join(pinned)}",
        )
    terminal.out()
    if plan.config_map_note:
        terminal.long_line(f"ConfigMap  {plan.config_map_note}")
    for notice in plan.notices:
        terminal.long_line(f"Notice   {notice}")
    if any(node.writes for node in nodes):
        _print_safety(terminal, plan, saved=file is not None)
    terminal.long_line(f"{f'Saved    {file}' if file else 'Not saved'}. Nothing was changed.")
    _print_what_comes_next(terminal, plan, commands, saved=file is not None)


def _print_safety(terminal: Terminal, plan: Plan, *, saved: bool) -> None:
    terminal.long_line(
        "Safety   per node: backup, temporary certificate (the port keeps answering), dead-man's switch;"
    )
    terminal.long_line("         a node that does not pass every gate in time is undone")
    if saved:
        terminal.command("Undo     ", f"kubevouch undo {plan.run}")


def _print_order(terminal: Terminal, plan: Plan, soak: float) -> None:
    lineup = Lineup(plan.nodes, soak)
    turns = lineup.in_turn
    names = [each.node for each in turns]
    if len(names) > _MOST_IN_TURN:
        left = len(names) - _MOST_IN_TURN
        names[_MOST_IN_TURN // 2 : _MOST_IN_TURN // 2 + left] = [f"{left} more"]
    last = [f"ConfigMap {plan.config_map.name}"] if plan.config_map else []
    terminal.long_line(f"Order    {' -> '.join(names + last)}")
    for line in in_which_order(lineup):
        terminal.long_line(f"         {line}", hang=11)


def _print_left_out(terminal: Terminal, plan: Plan, commands: Commands) -> None:
    """Prints each node that is left out, and why.

    If the dead-man's switch of a stored run is armed on the node, also prints the command that resumes the run.
    """
    for left_out in plan.left_out:
        word = "" if left_out.is_well else "LEFT OUT: "
        _apart(terminal, f"{left_out.node}   {word}{left_out.reason}")
        if commands.is_kept(left_out.armed_run):
            terminal.command("  continue   ", join([*RESUME, left_out.armed_run]))


def _print_what_comes_next(
    terminal: Terminal, plan: Plan, commands: Commands, *, saved: bool
) -> None:
    if plan.nodes or plan.config_map is not None:
        print_next(terminal, commands.step(Case.AGAIN if saved else Case.ANEW))
    elif any(not each.is_well for each in plan.left_out):
        print_next(terminal, next_for_left_out(plan.left_out, commands))
    else:
        print_next(terminal, step(Case.VERIFY))


def _print_ssh(terminal: Terminal, plan: Plan) -> None:
    """Prints ssh's configuration and user, unless both come from the operator's own files."""
    if plan.via == "ssh" and (plan.ssh_config or plan.ssh_user or plan.ask_sudo_password):
        user = f" as {plan.ssh_user}" if plan.ssh_user else ""
        sudo = ", with a sudo password" if plan.ask_sudo_password else ""
        terminal.long_line(f"Ssh      {plan.ssh_config or 'your own configuration'}{user}{sudo}")


def _changes(nodes: tuple[NodePlan, ...]) -> list[list[NodePlan]]:
    """Groups the nodes that get the same change in the same file."""
    found: dict[tuple[str, ...], list[NodePlan]] = {}
    for node in nodes:
        disk = node.disk
        key = (node.change, disk.config, disk.config_sha256, disk.content_sha256, disk.diff)
        found.setdefault(key, []).append(node)
    return list(found.values())


def _print_change(terminal: Terminal, nodes: list[NodePlan]) -> None:
    first = nodes[0]
    on = f"on {', '.join(each.node for each in nodes)}"
    if not first.writes:
        _apart(terminal, f"Change   no file changes, no restart {on}:")
        terminal.long_line(
            "         the run approves each kubelet's newest CSR, if every rule passes",
        )
        return
    disk = first.disk
    hashes = f"sha256 {disk.config_sha256[:12]} -> {disk.content_sha256[:12]}"
    _apart(terminal, f"Change   {disk.config}   {hashes}   {on}")
    _print_diff(terminal, disk.diff)
    terminal.long_line(f"Expect   {_INTERRUPTION}")


def _print_node(terminal: Terminal, node: NodePlan) -> None:
    role = "control plane" if node.control_plane else "worker"
    _apart(terminal, f"{node.node}   {role}   {node.kubelet_version}   machine {node.machine_id}")
    if node.known_as:
        terminal.long_line(
            f"  ssh        {node.host}, with the key of {node.known_as} in known_hosts"
        )
    for entry in (*node.names, *node.addresses):
        terminal.long_line(f"  SAN        {entry.value}   ({entry.known_by})")
    terminal.long_line(
        f"  TLS check  at {', '.join(joined(each, node.port) for each in node.dial)}"
    )
    if node.writes:
        terminal.long_line("  seed       self-signed, until the issued certificate is served")
    if node.disk.no_boot_unit:
        terminal.long_line(
            f"  power cut  after a reboot, nothing on the node undoes the run ({node.disk.no_boot_unit}): "
            "use the undo below",
        )
    if node.disk.aside:
        terminal.long_line(f"  set aside  {', '.join(node.disk.aside)}")


def _print_diff(terminal: Terminal, diff: str) -> None:
    for line in diff.splitlines():
        terminal.out(one_line(f"    {line}"))


def _apart(terminal: Terminal, text: str) -> None:
    terminal.out()
    terminal.long_line(text)


def print_result(
    terminal: Terminal,
    result: RunResult,
    *,
    lead: str = "",
    so_far: str,
    log: RunLog | None = None,
) -> None:
    """Prints a row for each node, the result for the ConfigMap, nodes left out, and the undo command.

    lead: the first line. so_far: how many nodes are finished, in words. log: None if the run wrote nothing.
    """
    if terminal.document_form:
        document = msgspec.to_builtins(result)
        print_document(
            terminal, "kubevouch.run/1", {**document, "log": str(log.path) if log else ""}
        )
        return
    if lead:
        terminal.out(lead)
    rows = [
        (each.node, str(each.state), f"{each.seconds:.0f} s" if each.seconds else "", each.why)
        for each in result.nodes
    ]
    if rows:
        terminal.table(tuple(RESULTS), rows)
    if result.config_map.text:
        terminal.long_line(result.config_map.text)
    for left_out in result.left_out:
        terminal.long_line(f"LEFT OUT: {left_out.node}: {left_out.reason}", hang=10)
    if rows:
        terminal.long_line(f"Run      {result.run}: {so_far}")
    if log:
        terminal.long_line(f"Log      {log.path}")
    if result.stopped:
        terminal.long_line(f"Stopped  {result.stopped}; remaining nodes were skipped", hang=9)
    if result.undo:
        _print_undo(terminal, result)


def _print_undo(terminal: Terminal, result: RunResult) -> None:
    """Prints the undo command, and the plan's path."""
    terminal.command("Undo     ", result.undo)
    if kept := kept_run(result.run, terminal.environment):
        text = f"Plan     {kept}: undo needs this file; keep a copy elsewhere"
        terminal.long_line(text, hang=9)


def print_next(terminal: Terminal, found: NextStep, hang: int = 9) -> None:
    """Prints the command to run next, and the command after it. hang: the width to which the label NEXT is padded."""
    if found.note:
        terminal.long_line(f"{'':{hang}}{terminal.with_flags(found.note)}", hang=hang)
    terminal.command(f"{'NEXT':{hang}}", found.command)
    if found.then:
        terminal.command(f"{'THEN':{hang}}", found.then)


def counted_as(result: RunResult, states: Collection[NodeState], what: str) -> str:
    """The number of nodes in these states, in words."""
    found = sum(each.state in states for each in result.nodes)
    return f"{found} of {len(result.nodes)} nodes {what}"
