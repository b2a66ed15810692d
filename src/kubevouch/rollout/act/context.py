"""What a run is given: a client, a transport to nodes, a clock, and a report of its progress."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from kubevouch.clock import Clock
from kubevouch.evidence.run_holder import ArmedNode
from kubevouch.kube.errors import (
    Conflict,
    CredentialError,
    Forbidden,
    KubeError,
    NotFound,
    Unauthorized,
)
from kubevouch.kube.io.client import ApiClient
from kubevouch.node.transport import NodeTransport
from kubevouch.rollout.act.lease import LeaseHold
from kubevouch.rollout.decide.by_pod import WrittenNode


class ProgressReport(Protocol):
    """Called for what happens during a run, as it happens."""

    def step(self, node: str, text: str) -> None:
        """A node has completed a step."""
        ...

    def waiting(self, node: str, text: str) -> None:
        """What the node waits for now. A later call replaces it on the screen."""
        ...

    def ended(self, node: str, text: str) -> None:
        """The node is done, successfully or not."""
        ...

    def whole(self, text: str) -> None:
        """How far the run is with all of its nodes. A later call replaces it on the screen."""
        ...


@dataclass(frozen=True)
class RolloutContext:
    """Everything that a run is given.

    stop: True once the operator wants to stop after the nodes in hand. random_serial: a fresh random number of so
    many bits.
    """

    api: ApiClient
    transport: NodeTransport
    clock: Clock
    progress: ProgressReport
    stop: Callable[[], bool]
    random_serial: Callable[[int], int]
    written: Mapping[str, WrittenNode] = field(default_factory=dict)
    """By node, what operators have written down of it. Read only for a run that goes by pod."""

    lease: LeaseHold | None = None
    """The cluster's Lease, held by this run; None for one that writes nothing."""

    async def confirm_holder(self, arms: ArmedNode | None = None) -> None:
        """That this run is still the one that may write; to be called right before. arms: a node that may be armed from then on.

        Raises:
            NotTheHolder: another one is, from now on.
            KubeError: that could not be told now.
        """
        if self.lease is not None:
            await self.lease.confirm(arms)

    def may_be_armed(self, arms: ArmedNode) -> None:
        """It was found armed: the Lease says so from its next renewal on."""
        if self.lease is not None:
            self.lease.may_be_armed(arms)

    def is_over(self, node: str) -> None:
        """This run is not armed on the node any more, as it has said."""
        if self.lease is not None:
            self.lease.armed.pop(node, None)

    @property
    def why_lost(self) -> str:
        """That the Lease is known to be lost, for a person; empty if it is not. Asks nobody."""
        lost = self.lease.lost if self.lease else None
        return str(lost) if lost else ""

    @property
    def lost_to(self) -> str | None:
        """The run that has taken the Lease, as `RunResult` has it."""
        lost = self.lease.lost if self.lease else None
        return lost.run if lost else None

    @property
    def fence(self) -> int:
        """The number of this run's hold of the Lease, by which nodes refuse an earlier holder; 0 without a Lease."""
        return self.lease.number if self.lease is not None else 0


def end_in_order() -> None:
    """After a cancellation: what comes now is the run's end, which may ask and write once more."""
    if task := asyncio.current_task():
        task.uncancel()


T = TypeVar("T")

_PAUSE = 1.0
_ANSWERS = (Conflict, CredentialError, Forbidden, NotFound, Unauthorized)
"""It has answered, or will not answer otherwise if it is asked again."""


async def once_it_answers(
    ask: Callable[[], Awaitable[T]], context: RolloutContext, node: str, seconds: float
) -> T:
    """What `ask` returns. It is called again while the API server does not answer, for so many seconds, unless the operator wants to stop.

    To be used only where nothing is under way that waits for what comes next.

    Raises:
        KubeError: it still does not answer, or what it answers is an error.
        KubevouchError: as `ask` does.
    """
    clock = context.clock
    began = clock.monotonic()
    while True:
        try:
            return await ask()
        except KubeError as error:
            is_over = clock.monotonic() - began > seconds or context.stop()
            if isinstance(error, _ANSWERS) or is_over:
                raise
            context.progress.waiting(node, f"the API server ({error})")
        await clock.sleep(_PAUSE)
