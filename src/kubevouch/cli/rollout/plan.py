"""The verb `plan`: reads cluster and nodes, makes the plan, shows it and writes it to a file. Changes nothing else."""

import secrets  # noqa: TID251 - the composition root: randomness is passed on from here
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from kubevouch import __version__
from kubevouch.cli.common.allow import addresses_in, check_full_names, node_values
from kubevouch.cli.common.connect import with_api
from kubevouch.cli.common.documents import print_pieces
from kubevouch.cli.common.layout import table_lines
from kubevouch.cli.common.runs import check_may_be_written, kept_here, write_plan
from kubevouch.cli.common.ssh import ask_for_sudo
from kubevouch.cli.common.terminal import Declined, Terminal, one_line
from kubevouch.cli.rollout.approver_pins import PinsOfPlan, pins_of_plan
from kubevouch.cli.rollout.context import open_context, prepared_pods
from kubevouch.cli.rollout.render import print_plan
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode, full_names
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES
from kubevouch.rollout.act.make_plan import PlanOptions, gather_plan
from kubevouch.rollout.decide.entitled import OperatorWord
from kubevouch.rollout.decide.intent import what_pods_are
from kubevouch.rollout.decide.next_step import commands_of
from kubevouch.rollout.decide.plan import NodeOptions, Plan, by_answer, unvouched
from kubevouch.rollout.decide.plan_text import text_of

_FILE = Path("plan.json")
"""The plan's file name in the suggested command, if none was given."""
_COLUMNS = ("NODE", "ADDRESS", "HOST KEY", "MACHINE-ID")
_HOW = "For each node, known_hosts lists the host key only by address, and only the node itself reports this address. Check every line."
_ASKED = "write into the plan that you vouch for each address, host key and machine-id"


@dataclass(frozen=True)
class VouchedValues:
    """Names and addresses that the operator vouches for.

    allow: NODE=VALUE pairs. addresses: the file of --addresses; if it is None, `plan` asks.
    """

    allow: tuple[str, ...] = ()
    addresses: str | None = None

    def by_node(self) -> dict[str, tuple[str, ...]]:
        """The values by node. Raises UsageError."""
        in_file = () if self.addresses is None else addresses_in(Path(self.addresses))
        return node_values((*self.allow, *in_file))

    def flags(self) -> Iterator[str]:
        """The flags that pass these values to a suggested command."""
        for each in self.allow:
            yield from ("--allow", each)
        if self.addresses is not None:
            yield from ("--addresses", self.addresses)


def make_plan(
    terminal: Terminal,
    access: ClusterAccess,
    options: NodeOptions,
    vouched: VouchedValues,
    word: OperatorWord,
    soak: float,
    file: Path | None,
) -> int:
    """Makes, writes and prints the plan.

    Returns exit code 3 if the plan has no nodes, and at least one node was left out because of a problem.

    soak: the run's soak time, in seconds. file: where to write the plan; None: it is not written.
    """
    to_plan = PlanOptions(secrets.token_hex(4), __version__, options, vouched.by_node(), word)
    if file:
        check_may_be_written(file)
    if options.ask_sudo_password:
        ask_for_sudo(terminal, options.ssh_user)
    if options.pods:
        terminal.note(one_line(f"`plan` reads the nodes with {what_pods_are(options.pods)}."))
    plan, pins = with_api(
        terminal, access, lambda api, clock: _planned(terminal, to_plan, api, clock)
    )
    plan = by_answer(plan, yes=vouched.addresses is None and is_right(terminal, plan))
    if file:
        write_plan(plan, file)
    if terminal.document_form:
        print_pieces(terminal, [text_of(plan)])
    else:
        commands = commands_of(
            plan,
            str(file or _FILE),
            word,
            kept_here(terminal.environment),
            vouched=tuple(vouched.flags()),
        )
        planned = {each.node for each in plan.nodes}
        pinned = [each.node for each in pins.pins if each.node in planned]
        print_plan(terminal, plan, file, commands, pinned, soak=soak)
    fine = bool(plan.nodes) or all(each.is_well for each in plan.left_out)
    return ExitCode.OK if fine else ExitCode.COULD_NOT_TELL


def is_right(terminal: Terminal, plan: Plan) -> bool:
    """Asks whether the operator vouches for nodes that known_hosts lists only by address. Returns False without a terminal."""
    rows = [(each.node, each.host, each.host_key, each.machine_id) for each in unvouched(plan)]
    if not rows or not terminal.can_ask:
        return False
    for line in table_lines([_COLUMNS, *rows], None):
        terminal.note(line, hang=None)  # do not wrap keys
    terminal.note(_HOW)
    try:
        terminal.confirm(_ASKED, yes=False)
    except Declined:
        return False
    return True


async def _planned(
    terminal: Terminal, options: PlanOptions, api: ApiClient, clock: Clock
) -> tuple[Plan, PinsOfPlan]:
    way = options.way
    if way.only or options.accepted:
        known = [each.name for each in await api.list_all(NODES)]
        check_full_names(options.accepted, known)
        way = msgspec.structs.replace(way, only=full_names(way.only, known))
        options = replace(options, way=way)
    await prepared_pods(api, way.pods, terminal)
    context = await open_context(terminal, way, options.run, api, clock)
    plan = await gather_plan(options, context)
    planned = {each.node for each in plan.nodes}
    return plan, await pins_of_plan(api, plan, clock, planned, {})
