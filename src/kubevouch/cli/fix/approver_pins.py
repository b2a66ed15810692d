"""Where an approver is installed, `fix --apply` pins what its plan proved: its next CSRs are decided by that.

Only nodes that nobody has pinned: what an operator pinned stays as it is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from kubevouch.cli.approver.installation import DEPLOYMENT, NAMESPACE
from kubevouch.cli.approver.stored_pins import read_stored_pins, write_pins
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.diagnose.make import counted
from kubevouch.errors import KubevouchError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import DEPLOYMENTS
from kubevouch.policy.claims import Claim
from kubevouch.policy.sources.pinned import PinnedNode
from kubevouch.rollout.decide.plan import Plan
from kubevouch.rollout.decide.result import NodeOutcome, RunResult


@dataclass(frozen=True)
class PinsOfPlan:
    """The pins that the approver lacks; problem: why that is not known."""

    pins: tuple[PinnedNode, ...] = ()
    problem: str = ""

    @property
    def intent(self) -> str:
        """What will be done, for a prompt; empty for nothing."""
        count = len(self.pins)
        return f", and pin {counted(count, 'node')} for the approver" if count else ""


async def pins_of_plan(api: ApiClient, plan: Plan, at: datetime) -> PinsOfPlan:
    """Reads whether an approver is installed, and what it has pinned. Never raises: the plan is carried out anyway."""
    try:
        await api.get(DEPLOYMENTS, DEPLOYMENT, NAMESPACE)
    except KubevouchError:
        return PinsOfPlan()  # no approver is installed, or we may not see its pins
    try:
        stored = await read_stored_pins(api)
    except KubevouchError as error:
        return PinsOfPlan(problem=str(error))
    by = f"fix, run {plan.run}"
    return PinsOfPlan(
        tuple(
            PinnedNode(
                node=each.node,
                uid=each.uid,
                names=_proven(each.names),
                addresses=_proven(each.addresses),
                machine_id=each.machine_id,
                pinned_at=at,
                by=by,
                allowed=tuple(
                    claim.value for claim in (*each.names, *each.addresses) if claim.by_operator
                ),
            )
            for each in plan.nodes
            if each.node not in stored.pins
        )
    )


def _proven(claims: Iterable[Claim]) -> tuple[str, ...]:
    return tuple(each.value for each in claims if each.source.is_proof or each.by_operator)


async def write_pins_of(
    api: ApiClient, terminal: Terminal, wanted: PinsOfPlan, result: RunResult
) -> None:
    """Pins those nodes that the run is through with. What fails is said; the run is what it is."""
    done = {each.node for each in result.nodes if each.outcome is NodeOutcome.DONE}
    pins: Sequence[PinnedNode] = [each for each in wanted.pins if each.node in done]
    problem = wanted.problem
    if pins:
        try:
            await write_pins(api, pins)
            terminal.note(f"{len(pins)} node(s) pinned for the approver")
        except KubevouchError as error:
            problem = str(error)
    if problem:
        hint = terminal.hint("kubevouch approver pin")
        terminal.note(one_line(f"Nothing was pinned for the approver: {problem}; by hand: {hint}"))
