"""The nodes on which a run is armed: it has begun there, and is neither committed nor undone. Pure."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from shlex import join

from kubevouch.evidence.run_holder import LONGEST_GATES, ArmedNode
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.rollout.decide.advice import UNDO, Argv
from kubevouch.rollout.decide.machine import armed_runs
from kubevouch.rollout.decide.result import why_of
from kubevouch.rollout.decide.run_status import LONG_AT_WORK
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.decide.transaction import LONGEST_SCRIPT, UNDONE_BEFORE

_LONGEST_SWITCH = RolloutTimeouts(LONGEST_GATES).switch


def about_to_be_armed(node: str, run: str, now: datetime, switch: float) -> ArmedNode:
    """The Lease's entry for a node that is about to set its dead-man's switch. switch: seconds until the switch fires."""
    return ArmedNode(run, node, now + timedelta(seconds=switch + LONGEST_SCRIPT))


def found_armed(node: str, run: str, survey: NodeSurvey, surveyed: datetime) -> ArmedNode:
    """The Lease's entry for a surveyed node on which the run is armed.

    If the node's record does not say when the switch fires, assumes the longest possible delay.
    """
    found = next((each for each in armed_runs(survey) if each.run == run.encode()), None)
    left = found.fires - survey.clock if found and found.fires else _LONGEST_SWITCH
    return ArmedNode(run, node, surveyed + timedelta(seconds=left))


def is_armed_by(run: str, survey: NodeSurvey) -> bool:
    """Whether the run is armed on the surveyed node."""
    return any(each.run == run.encode() for each in armed_runs(survey))


def what_is_left_armed(
    armed: Sequence[ArmedNode],
    now: datetime,
    again: Argv,
    *,
    line: Callable[[Argv], str] = join,
) -> str:
    """A message about what these nodes' dead-man's switches will do if we stop now. armed: at least one node.

    again: the command that continues the run. line: formats a command as one line.
    """
    each = "; ".join(
        f"{each.node} may be armed by run {each.run}: {by_its_switch(each.due, now)}"
        for each in armed
    )
    return (
        f"{each}; to continue before that: `{line(again)}`; to undo the run: "
        f"`{line([*UNDO, armed[0].run])}`"
    )


def by_its_switch(due: datetime | None, now: datetime) -> str:
    """A message about what the node's dead-man's switch will do if the run does not continue.

    due: when it fires; None if unknown.
    """
    undoes = "undoes an unverified change"
    if due:
        left, at = round((due - now).total_seconds()), f"{due:%H:%M:%S} UTC"
        undoes = (
            f"{undoes} in {left} s, at {at}"
            if left >= 0
            else f"was due {-left} s ago, at {at}, and {undoes}"
        )
    return f"the dead-man's switch {undoes}, unless the node is verified first"


def is_at_work(fires: datetime | None, now: datetime) -> bool:
    """Whether the dead-man's switch was due in the last minute, so it may be ending the run now."""
    return fires is not None and timedelta() <= now - fires <= timedelta(seconds=LONG_AT_WORK)


def why_overtaken(fires: datetime, since: datetime, waited_for: str, how: str) -> str:
    """A message for a node whose dead-man's switch was due before the node was verified.

    since: when this attempt began or resumed the change. waited_for: the pending gate; empty if no
    gate was checked. how: a message about how the run's own rollback ended; `UNDONE_BEFORE`
    if the switch had already undone the change.
    """
    by_itself = how == UNDONE_BEFORE
    what = "undid the change" if by_itself else "was due"
    early = round((fires - since).total_seconds())
    return why_of(
        f"the dead-man's switch {what} at {fires:%H:%M:%S} UTC, before the node was verified",
        f"this attempt had begun on the node {early} s earlier" if early >= 0 else "",
        f"the run waited for {waited_for}" if waited_for else "",
        "" if by_itself else how,
    )


def what_switches_leave(armed: Iterable[ArmedNode], now: datetime) -> tuple[str, ...]:
    """A message for each node whose dead-man's switch is set: by when the resumed run must verify the node."""
    return tuple(
        f"{each.node}: {by_its_switch(each.due, now)}; continuing does not extend the time"
        for each in armed
    )
