"""A node at its turn: looked at once more, since its check may be hours ago."""

from dataclasses import replace

from kubevouch.evidence.snapshot import TrustedRoots
from kubevouch.rollout.act.check import CheckedNode
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.look import with_running_configuration
from kubevouch.rollout.act.node_facts import served_by
from kubevouch.rollout.act.precheck import survey_planned
from kubevouch.rollout.decide.need import MachineFacts
from kubevouch.rollout.decide.plan import ChangeKind
from kubevouch.rollout.decide.recheck import NEW_PLAN, FoundState, recheck
from kubevouch.rollout.errors import StoppedBefore

_FRESH = 20.0
"""Seconds for which a survey is taken for true."""


async def looked_at_again(
    node: CheckedNode, run: str, trust: TrustedRoots, context: RolloutContext
) -> CheckedNode:
    """The node as it is now, if it is to be changed and is still as planned. Raises StoppedBefore, NodeError."""
    plan, asked = node.plan, context.clock.now()
    if plan.change is not ChangeKind.BOOTSTRAP or (asked - node.surveyed).total_seconds() < _FRESH:
        return node
    survey = (await survey_planned(plan, context)).answer
    at = context.clock.now()
    served = await served_by(context, plan, trust)
    facts = MachineFacts(
        plan.node, plan.machine_id, survey, at, next(iter(served), None), csr_waits=False
    )
    found = recheck(plan, run, await with_running_configuration(facts, context))
    if found.state is not FoundState.AS_PLANNED:
        why = found.why or f"it is not as it was at the check any more; {NEW_PLAN}"
        raise StoppedBefore(plan.node, why)
    return replace(node, survey=survey, surveyed=at, asked=asked, content=found.content)
