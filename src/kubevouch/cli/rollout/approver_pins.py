"""If our approver is installed, `apply` first pins the plan's proven names, because the approver decides by pins.

`apply` pins only nodes without a pin, so an operator's pin stays unchanged. An undo does not remove the pin, since
the proven names are still right. The pin includes the node's client certificate, so a CSR sent with another
certificate does not pass.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from kubevouch.cli.approver.stored_pins import read_stored_pins, write_pins
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.clock import Clock
from kubevouch.diagnose.make import counted
from kubevouch.errors import KubevouchError
from kubevouch.evidence.gather.approvers import gather_our_approver
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.kube.io.client import ApiClient
from kubevouch.policy.claims import Claim
from kubevouch.policy.sources.nodes import PinnedNode
from kubevouch.rollout.decide.plan import NodePlan, Plan


@dataclass(frozen=True)
class PinsOfPlan:
    """The plan's pins that an installed approver does not have yet. problem: why the approver's pins are unknown."""

    pins: tuple[PinnedNode, ...] = ()
    problem: str = ""

    @property
    def intent(self) -> str:
        """Text for the prompt: how many nodes this run pins. Empty if no pin is missing."""
        count = len(self.pins)
        return f", and pin {counted(count, 'node')} for the approver" if count else ""


async def pins_of_plan(
    api: ApiClient,
    plan: Plan,
    clock: Clock,
    left: Collection[str],
    certificates: Mapping[str, Collection[str]],
) -> PinsOfPlan:
    """The plan's pins that an installed approver does not have yet.

    If the approver's pins are unreadable, returns the problem, and the run continues without new pins.

    left: nodes that are not done yet. certificates: SHA-256 of the client certificates on each node's disk.
    """
    if plan.via == "pod":
        return PinsOfPlan()  # the kubelet runs these pods, so they prove nothing
    try:
        if (await gather_our_approver(api, Inquiry(clock))).value is None:
            return PinsOfPlan()  # no approver, or no right to see it
        stored = await read_stored_pins(api)
    except KubevouchError as error:
        return PinsOfPlan(problem=str(error))
    by = f"apply, run {plan.run}"
    proven = [each for each in plan.nodes if each.node in left]
    return PinsOfPlan(
        tuple(
            proven_pin(each, certificates.get(each.node, ()), at=api.server_clock.now(), by=by)
            for each in proven
            if each.node not in stored.pins
        )
    )


def proven_pin(
    node: NodePlan, certificates: Collection[str], *, at: datetime, by: str
) -> PinnedNode:
    """A pin with the names and addresses that are proven, or that the operator vouches for.

    certificates: SHA-256 of the client certificates on the node's disk.
    """
    return PinnedNode(
        node=node.node,
        uid=node.uid,
        names=_proven(node.names),
        addresses=_proven(node.addresses),
        machine_id=node.machine_id,
        client_certificates=tuple(sorted(certificates)),
        pinned_at=at,
        by=by,
        allowed=tuple(c.value for c in (*node.names, *node.addresses) if c.by_operator),
    )


def _proven(claims: Iterable[Claim]) -> tuple[str, ...]:
    return tuple(each.value for each in claims if each.source.is_proof or each.by_operator)


async def write_pins_of(api: ApiClient, terminal: Terminal, wanted: PinsOfPlan) -> None:
    """Writes the pins. If this fails, prints the problem.

    The run continues without the pins. It approves a CSR that the approver therefore holds, if every rule passes.
    """
    problem = wanted.problem
    if wanted.pins:
        try:
            await write_pins(api, wanted.pins)
            terminal.note(f"{counted(len(wanted.pins), 'node')} pinned for the approver")
        except KubevouchError as error:
            problem = str(error)
    if problem:
        hint = terminal.hint("kubevouch approver pin")
        text = f"Not every node was pinned: {problem}; to pin by hand: {hint}"
        terminal.note(one_line(text))
