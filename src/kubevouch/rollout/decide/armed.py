"""The nodes in hand of a run: changed and not proven, so that their own switches may put them back. Pure."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from shlex import join

import msgspec

from kubevouch.evidence.run_holder import ArmedNode
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.rollout.decide.advice import UNDO, Argv
from kubevouch.rollout.decide.machine import armed_runs
from kubevouch.rollout.decide.plan import LeftOut
from kubevouch.rollout.decide.run_status import LONG_AT_WORK
from kubevouch.rollout.decide.transaction import LONGEST_SCRIPT, UNDONE_BEFORE

_PUTS_BACK = timedelta(minutes=1)
"""What a switch needs for that, at its second attempt, too."""


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
    each = "; ".join(_what_becomes_of(node, now) for node in armed)
    return (
        f"{each}; to go on with the run before that: `{line(again)}`; "
        f"to put all nodes of the run back: `{line([*UNDO, armed[0].run])}`"
    )


def as_of_now(left_out: Iterable[LeftOut], now: datetime) -> tuple[LeftOut, ...]:
    """What a plan has left out. A node whose switch was due a while ago is not armed any more, as far as can be told here.

    Its run does not go on there then, so nothing leads there: a new plan looks at the node again.
    """

    def told(each: LeftOut) -> LeftOut:
        if each.armed_until is None or now - _PUTS_BACK < each.armed_until:
            return each
        reason = f"{each.reason}; that time is over, and a new plan looks at it again"
        return msgspec.structs.replace(each, reason=reason, armed_run="", armed_until=None)

    return tuple(map(told, left_out))


def left_to_its_switch(why: str, fires: datetime | None, now: datetime) -> str:
    """What becomes of a node in hand that this run may not write to any more, for a person. why: it may not."""
    left = f" in {max(0, round((fires - now).total_seconds()))} s" if fires else ""
    return f"{why}; its own switch puts it back{left}, unless the run goes on"


def left_armed(why: str, begun: ArmedNode | None) -> str:
    """What becomes of a node that the run has left armed, for a person. begun: how it was found armed, if this run goes on."""
    when = f" at {begun.due:%H:%M:%S} UTC" if begun else ""
    return f"{why}; its own switch puts it back{when}, unless this run goes on"


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
    parts = (
        f"its own switch {what} at {fires:%H:%M:%S} UTC, before it was proven",
        f"this run had gone on there {early} s before" if early >= 0 else "",
        f"it waited for {waited_for}" if waited_for else "",
        "" if by_itself else how,
    )
    return "; ".join(filter(None, parts))


def what_switches_leave(armed: Iterable[ArmedNode], now: datetime) -> tuple[str, ...]:
    """How long a run that goes on has for each node on which it was found armed, for a person."""

    def left(each: ArmedNode) -> str:
        seconds = round((each.due - now).total_seconds())
        if seconds <= 0:
            return f"{each.node}: its own switch was due at {each.due:%H:%M:%S} UTC, and is at work"
        return (
            f"{each.node}: its own switch puts it back in {seconds} s, at {each.due:%H:%M:%S} UTC, "
            "unless it is proven before; going on with the run does not prolong that"
        )

    return tuple(map(left, armed))


def _what_becomes_of(armed: ArmedNode, now: datetime) -> str:
    left = max(0, round((armed.due - now).total_seconds()))
    return (
        f"{armed.node} may be armed by run {armed.run}: its dead-man's switch puts it back at {armed.due:%H:%M:%S} UTC "
        f"at the latest, in {left} s"
    )
