"""The command that comes next after a run or a plan, by what came of it. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kubevouch.rollout.decide.plan import LeftOut
from kubevouch.rollout.decide.result import NodeOutcome, RunResult


@dataclass(frozen=True)
class NextStep:
    """A command line, and the one after it; empty where nothing is to be run."""

    command: str
    then: str = ""


@dataclass(frozen=True)
class Commands:
    """The commands of this plan. again: carries it out once more. anew: makes a new plan.

    kept: of another run, the command that goes on with it; empty where its plan is not kept on this machine.
    """

    again: str
    anew: str
    kept: Callable[[str], str]


def next_after(result: RunResult, commands: Commands) -> NextStep:
    """What comes after `fix --apply`. A run does not begin again on a node where it was undone: that takes a new plan."""
    outcomes = {each.outcome for each in result.nodes}
    if any(each.armed for each in result.nodes):
        return NextStep(commands.again)
    if NodeOutcome.UNDONE in outcomes:
        return NextStep("kubevouch doctor", commands.anew)
    if result.interrupted:
        return NextStep(commands.again)
    if not outcomes <= {NodeOutcome.DONE} or result.config_map_failed:
        return NextStep(commands.anew)
    if result.left_out:
        return next_for_left_out(result.left_out, commands)
    return NextStep("kubevouch verify --wait 2m")


def next_for_left_out(left_out: Iterable[LeftOut], commands: Commands) -> NextStep:
    """What helps nodes that a plan leaves out: first the run that is armed on one, then what doctor sees of them."""
    unwell = [each for each in left_out if not each.is_well]
    if goes_on := next(filter(None, (commands.kept(each.armed_run) for each in unwell)), ""):
        return NextStep(goes_on)
    if any(each.seen_outside for each in unwell):
        return NextStep("kubevouch doctor", commands.anew)
    return NextStep(commands.anew)
