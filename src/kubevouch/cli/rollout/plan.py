"""The verb `plan`: looks at cluster and nodes, makes the plan, shows it and writes it. Changes nothing else."""

import secrets  # noqa: TID251 - the composition root: randomness is passed on from here
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from kubevouch import __version__
from kubevouch.cli.common.allow import by_full_name
from kubevouch.cli.common.connect import with_api
from kubevouch.cli.common.documents import print_pieces
from kubevouch.cli.common.runs import check_may_be_written, kept_here, write_plan
from kubevouch.cli.common.ssh import ask_for_sudo
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.cli.rollout.approver_pins import PinsOfPlan, pins_of_plan
from kubevouch.cli.rollout.context import open_context, prepared_pods
from kubevouch.cli.rollout.render import print_plan
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode, full_names
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES
from kubevouch.rollout.act.make_plan import NodeOptions, PlanOptions, gather_plan
from kubevouch.rollout.decide.entitled import OperatorWord
from kubevouch.rollout.decide.intent import what_pods_are
from kubevouch.rollout.decide.next_step import commands_of
from kubevouch.rollout.decide.plan import Plan
from kubevouch.rollout.decide.plan_text import text_of

_FILE = Path("plan.json")
"""Where NEXT writes a plan that was only shown."""


def make_plan(
    terminal: Terminal,
    access: ClusterAccess,
    options: NodeOptions,
    accepted: Mapping[str, tuple[str, ...]],
    word: OperatorWord,
    soak: float,
    file: Path | None,
) -> int:
    """The plan, in its file and on the terminal. 3: it has nothing to do, and some nodes could not be planned for.

    accepted: what --allow says, by node. soak: of the run that the plan is for, in seconds. file: None writes none.
    """
    if file:
        check_may_be_written(file)
    if options.ask_sudo_password:
        ask_for_sudo(terminal, options.ssh_user)
    if options.pods:
        terminal.note(one_line(f"This looks at nodes by {what_pods_are(options.pods)}."))
    plan, pins, accepted = with_api(
        terminal,
        access,
        lambda api, clock: _planned(terminal, options, accepted, word, api, clock),
    )
    if file:
        write_plan(plan, file)
    if terminal.document_form:
        print_pieces(terminal, [text_of(plan)])
    else:
        commands = commands_of(
            plan, str(file or _FILE), word, kept_here(terminal.environment), accepted=accepted
        )
        pinned = [each.node for each in pins.pins]
        print_plan(terminal, plan, file, commands, pinned, soak=soak)
    fine = bool(plan.nodes) or all(each.is_well for each in plan.left_out)
    return ExitCode.OK if fine else ExitCode.COULD_NOT_TELL


async def _planned(
    terminal: Terminal,
    options: NodeOptions,
    accepted: Mapping[str, tuple[str, ...]],
    word: OperatorWord,
    api: ApiClient,
    clock: Clock,
) -> tuple[Plan, PinsOfPlan, Mapping[str, tuple[str, ...]]]:
    """The plan, its pins, and what --allow says, by the full names of nodes."""
    if options.nodes or accepted:
        known = [each.name for each in await api.list_all(NODES)]
        options = replace(options, nodes=full_names(options.nodes, known))
        accepted = by_full_name(accepted, known)
    run = secrets.token_hex(4)
    await prepared_pods(api, options.pods, terminal)
    context = await open_context(terminal, options, run, api, clock)
    plan = await gather_plan(PlanOptions(run, __version__, options, accepted, word), context)
    planned = {each.node for each in plan.nodes}
    return plan, await pins_of_plan(api, plan, clock, planned, {}), accepted
