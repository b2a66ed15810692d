"""The nodes in hand of a run: changed and not proven, so that their own switches may put them back. Pure."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from shlex import join

from kubevouch.evidence.run_holder import ArmedNode
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.rollout.decide.advice import UNDO, Argv
from kubevouch.rollout.decide.machine import armed_runs
from kubevouch.rollout.decide.result import why_of
from kubevouch.rollout.decide.run_status import LONG_AT_WORK
from kubevouch.rollout.decide.transaction import LONGEST_SCRIPT, UNDONE_BEFORE


def about_to_be_armed(node: str, run: str, now: datetime, switch: float) -> ArmedNode:
    """A node to which a script is sent that may set its switch. switch: for how many seconds."""
    return ArmedNode(run, node, now + timedelta(seconds=switch + LONGEST_SCRIPT))


def found_armed(
    node: str, run: str, survey: NodeSurvey, surveyed: datetime, switch: int
) -> ArmedNode:
    """A node on which the run was found armed. switch: for a record that does not say when it goes off, in seconds."""
    found = next((each for each in armed_runs(survey) if each.run == run.encode()), None)
    left = found.fires - survey.clock if found and found.fires else switch
    return ArmedNode(run, node, surveyed + timedelta(seconds=left))


def is_armed_by(run: str, survey: NodeSurvey) -> bool:
    """Whether the run was found armed there."""
    return any(each.run == run.encode() for each in armed_runs(survey))


def what_is_left_armed(
    armed: Sequence[ArmedNode],
    now: datetime,
    again: Argv,
    *,
    line: Callable[[Argv], str] = join,
) -> str:
    """What becomes of the nodes in hand, one at least, if we go away now, for a person.

    again: the command that goes on with the run. line: writes a command.
    """
    each = "; ".join(
        f"{each.node} may be armed by run {each.run}: {by_its_switch(each.due, now)}"
        for each in armed
    )
    return (
        f"{each}; to go on with the run before that: `{line(again)}`; "
        f"to put all nodes of the run back: `{line([*UNDO, armed[0].run])}`"
    )


def by_its_switch(due: datetime | None, now: datetime) -> str:
    """What becomes of an armed node to which nobody writes any more, for a person. due: None where its time is not known."""
    puts_back = "puts it back"
    if due:
        left, at = round((due - now).total_seconds()), f"{due:%H:%M:%S} UTC"
        puts_back = (
            f"puts it back in {left} s, at {at}"
            if left >= 0
            else f"has been due for {-left} s, since {at}, and puts it back"
        )
    return f"its own switch {puts_back}, unless the run goes on"


def is_at_work(fires: datetime | None, now: datetime) -> bool:
    """Whether its own switch ends the run on a node by now. One that was due long ago does not come to its end by itself."""
    return fires is not None and timedelta() <= now - fires <= timedelta(seconds=LONG_AT_WORK)


def why_overtaken(fires: datetime, since: datetime, waited_for: str, how: str) -> str:
    """Why a node was not proven whose own switch was due before, for a person.

    since: when this run has begun or gone on there. waited_for: the gate that was waited for until then; empty if none was looked at.
    how: what the rollback answered that followed.
    """
    by_itself = how == UNDONE_BEFORE
    what = "put it back" if by_itself else "was due"
    early = round((fires - since).total_seconds())
    return why_of(
        f"its own switch {what} at {fires:%H:%M:%S} UTC, before it was proven",
        f"this run had gone on there {early} s before" if early >= 0 else "",
        f"it waited for {waited_for}" if waited_for else "",
        "" if by_itself else how,
    )


def what_switches_leave(armed: Iterable[ArmedNode], now: datetime) -> tuple[str, ...]:
    """How long a run that goes on has for each node on which it was found armed, for a person."""
    return tuple(
        f"{each.node}: {by_its_switch(each.due, now)} and proves it before; going on does not prolong that"
        for each in armed
    )
