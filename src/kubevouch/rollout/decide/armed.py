"""The nodes in hand of a run: changed and not proven, so that their own switches may put them back. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from shlex import join
from typing import Annotated

import msgspec

from kubevouch.evidence.survey import NodeSurvey
from kubevouch.rollout.decide.machine import armed_runs, state_of_run
from kubevouch.rollout.decide.plan import LeftOut
from kubevouch.rollout.decide.run_status import LONG_AT_WORK, PUT_BACK, RunOnNode, Standing
from kubevouch.rollout.decide.transaction import UNDONE_BEFORE

_PUTS_BACK = timedelta(minutes=1)
"""What a switch needs for that, at its second attempt, too."""

_FOR_GOOD = (*PUT_BACK, Standing.DONE)
"""How a node stands on which a run is not armed any more, but by an undo."""

_PROVEN = ("verified", "committed")
"""What the record of a run says that was proven."""


class ArmedNode(msgspec.Struct, frozen=True):
    """A node on which a run is armed, as far as this machine knows."""

    run: str
    node: str
    fires: Annotated[datetime, msgspec.Meta(tz=True)]
    """When its dead-man's switch puts it back at the latest, by our clock."""

    sure: bool = True
    """False while a step is under way that may arm it, or end that."""


def found_armed(
    node: str, run: str, survey: NodeSurvey, surveyed: datetime, switch: int
) -> ArmedNode:
    """A node on which the run was found armed. switch: for a record that does not say when it goes off, in seconds."""
    found = next((each for each in armed_runs(survey) if each.run == run.encode()), None)
    left = found.fires - survey.clock if found and found.fires else switch
    return ArmedNode(run, node, surveyed + timedelta(seconds=left))


def armed_by_undo(found: ArmedNode, survey: NodeSurvey, sets: datetime) -> ArmedNode | None:
    """How a node may be armed while an undo of the run works on it; None where the run has left nothing to put back.

    found: see `found_armed`. sets: when a switch that the undo sets goes off at the latest; it sets one where the run was proven
    (undo_finished in transaction.sh), and leaves any other as it is.
    """
    state = state_of_run(survey, found.run)
    if state in _PROVEN or (not state and survey.no_kubelet):  # whose record could not be seen
        return ArmedNode(found.run, found.node, sets, sure=False)
    return msgspec.structs.replace(found, sure=False) if is_armed_by(found.run, survey) else None


def is_armed_by(run: str, survey: NodeSurvey) -> bool:
    """Whether the run was found armed there."""
    return any(each.run == run.encode() for each in armed_runs(survey))


def has_ended(run: str, survey: NodeSurvey) -> bool:
    """Whether the run is not armed there, or not any more. False, too, where its record could not be seen."""
    hidden = survey.unsafe or survey.no_kubelet
    return not hidden and not is_armed_by(run, survey)


def what_is_left_armed(
    armed: Sequence[ArmedNode], now: datetime, again: str, named: str = ""
) -> str:
    """What becomes of the nodes in hand, one at least, if we go away now, for a person.

    again: the command that goes on with the run. named: the file of its plan, where an undo does not find it by the run's name.
    """
    each = "; ".join(_what_becomes_of(node, now) for node in armed)
    return (
        f"{each}; to go on with the run before that: `{again}`; "
        f"to put all nodes of the run back: `{join(['kubevouch', 'undo', named or armed[0].run])}`"
    )


def with_what_was_known(
    statuses: Iterable[RunOnNode], armed: Iterable[ArmedNode], now: datetime
) -> tuple[RunOnNode, ...]:
    """The rows; those of nodes that could not be asked with what this machine knows of them, as long as their switches have not been due."""
    known = {each.node: each for each in armed if each.fires > now}

    def told(status: RunOnNode) -> RunOnNode:
        found = known.get(status.node)
        if found is None or status.standing is not Standing.UNKNOWN:
            return status
        state = "armed" if found.sure else "may be armed"
        note = f"{state} by run {found.run} until {found.fires:%H:%M:%S} UTC, as was known here"
        notes = (note, *status.notes)
        return msgspec.structs.replace(status, notes=notes, last_known_armed=found.run)

    return tuple(map(told, statuses))


def over_on(
    armed: Iterable[ArmedNode], statuses: Iterable[RunOnNode], *, settled: bool
) -> frozenset[str]:
    """Of these nodes in hand those on which their run is not armed any more, by what the nodes say: each run that is armed there has a row.

    settled: who may have begun there is long gone. Else something of it may be on its way, and only what does not begin any more is over.
    """
    rows = tuple(statuses)
    silent = {each.node for each in rows if each.standing is Standing.UNKNOWN}
    asked = {each.node for each in rows} - silent
    is_armed = {(each.node, each.run) for each in rows if each.standing is Standing.ARMED}
    for_good = {(each.node, each.run) for each in rows if each.standing in _FOR_GOOD}

    def is_over(each: ArmedNode) -> bool:
        found = (each.node, each.run)
        return found not in is_armed and (settled or found in for_good)

    return frozenset(each.node for each in armed if each.node in asked and is_over(each))


def last_heard_of(armed: ArmedNode, now: datetime) -> str:
    """What this machine knows of a node in hand, for a person. Once the switch has had its time the node is not armed by that any more."""
    state = (
        f"{armed.node} {'was' if armed.sure else 'may have been'} armed when it was last heard of"
    )
    moment = f"{armed.fires:%Y-%m-%d %H:%M:%S} UTC at the latest"
    if now - _PUTS_BACK <= armed.fires:  # which may say anything, also the last moment there is
        return f"{state}, until {moment}"
    return f"{state}; its switch was due at {moment}"


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
    when = f" at {begun.fires:%H:%M:%S} UTC" if begun else ""
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
        seconds = round((each.fires - now).total_seconds())
        if seconds <= 0:
            return (
                f"{each.node}: its own switch was due at {each.fires:%H:%M:%S} UTC, and is at work"
            )
        return (
            f"{each.node}: its own switch puts it back in {seconds} s, at {each.fires:%H:%M:%S} UTC, "
            "unless it is proven before; going on with the run does not prolong that"
        )

    return tuple(map(left, armed))


def _what_becomes_of(armed: ArmedNode, now: datetime) -> str:
    left = max(0, round((armed.fires - now).total_seconds()))
    state = "is armed" if armed.sure else "may be armed"
    return (
        f"{armed.node} {state} by run {armed.run}: its dead-man's switch puts it back at {armed.fires:%H:%M:%S} UTC "
        f"at the latest, in {left} s"
    )
