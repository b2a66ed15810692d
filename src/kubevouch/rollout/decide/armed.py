"""The node in hand of a run: it has been changed and is not proven, so that its own switch may put it back. Pure."""

from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from kubevouch.evidence.survey import NodeSurvey
from kubevouch.rollout.decide.machine import armed_runs


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


def what_is_left_armed(armed: ArmedNode, now: datetime, again: str) -> str:
    """What becomes of the node in hand if we go away now, for a person. again: the command that goes on with the run."""
    left = max(0, round((armed.fires - now).total_seconds()))
    state = "is armed" if armed.sure else "may be armed"
    return (
        f"{armed.node} {state} by run {armed.run}: its dead-man's switch puts it back at {armed.fires:%H:%M:%S} UTC "
        f"at the latest, in {left} s; to go on with the run before that: `{again}`; "
        f"to put all nodes of the run back: `kubevouch undo {armed.run}`"
    )
