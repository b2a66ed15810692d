"""What a run gets: a client, a transport to nodes, a clock, and a progress report."""

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
    """Called for the events of a run, as they happen."""

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
        """The progress of the whole run. A later call replaces it on the screen."""
        ...


@dataclass(frozen=True)
class RolloutContext:
    """Everything that a run gets.

    stop: True once the operator wants to stop after the current nodes. random_serial: a random
    number of that many bits.
    """

    api: ApiClient
    transport: NodeTransport
    clock: Clock
    progress: ProgressReport
    stop: Callable[[], bool]
    random_serial: Callable[[int], int]
    written: Mapping[str, WrittenNode] = field(default_factory=dict)
    """What operators wrote down about each node. Only a run by pod reads it."""

    lease: LeaseHold | None = None
    """The cluster's Lease, held by this run; None for a run that writes nothing."""

    async def confirm_holder(self, arms: ArmedNode | None = None) -> None:
        """Confirms that this run still holds the Lease; call it right before a write. arms: a node that may be armed from then on.

        Raises:
            NotTheHolder: another run holds it from now on.
            KubeError: unknown at the moment.
        """
        if self.lease is not None:
            await self.lease.confirm(arms)

    def may_be_armed(self, arms: ArmedNode) -> None:
        """A node was found armed: the Lease says so from its next renewal on."""
        if self.lease is not None:
            self.lease.may_be_armed(arms)

    def is_over(self, node: str) -> None:
        """This run is no longer armed on the node, by the node's own word."""
        if self.lease is not None:
            self.lease.armed.pop(node, None)

    @property
    def why_lost(self) -> str:
        """For a person: that the Lease is lost, if known; else empty. Makes no request."""
        lost = self.lease.lost if self.lease else None
        return str(lost) if lost else ""

    @property
    def lost_to(self) -> str | None:
        """The run that has taken the Lease, as in `RunResult`."""
        lost = self.lease.lost if self.lease else None
        return lost.run if lost else None

    @property
    def fence(self) -> int:
        """The number of this run's hold of the Lease, by which nodes refuse earlier holders; 0 without a Lease."""
        return self.lease.number if self.lease is not None else 0


def end_in_order() -> None:
    """After a cancellation: lets the run's end ask and write once more."""
    if task := asyncio.current_task():
        task.uncancel()


T = TypeVar("T")

_PAUSE = 1.0
_ANSWERS = (Conflict, CredentialError, Forbidden, NotFound, Unauthorized)
"""Errors after which a retry would get the same answer."""


async def once_it_answers(
    ask: Callable[[], Awaitable[T]], context: RolloutContext, node: str, seconds: float
) -> T:
    """The result of `ask`, repeated for that many seconds while the API server is silent, unless the operator wants to stop.

    Use it only while nothing waits for the next step.

    Raises:
        KubeError: it still does not answer, or answers with an error.
        KubevouchError: from `ask`.
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
