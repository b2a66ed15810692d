"""The context of a run: API client, transport to nodes, clock, and progress report."""

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
    """Receives the events of a run as they happen."""

    def step(self, node: str, text: str) -> None:
        """Reports a completed step of a node."""
        ...

    def waiting(self, node: str, text: str) -> None:
        """Reports what the node waits for now. A later call replaces the text on the screen."""
        ...

    def ended(self, node: str, text: str) -> None:
        """Reports a node's result, successful or not."""
        ...

    def whole(self, text: str) -> None:
        """Reports the progress of the whole run. A later call replaces the text on the screen."""
        ...


@dataclass(frozen=True)
class RolloutContext:
    """What a run works with: API client, transport to nodes, clock and progress report.

    stop: returns True once the operator has asked to stop after the current nodes. random_serial:
    returns a random number with the given number of bits.
    """

    api: ApiClient
    transport: NodeTransport
    clock: Clock
    progress: ProgressReport
    stop: Callable[[], bool]
    random_serial: Callable[[int], int]
    written: Mapping[str, WrittenNode] = field(default_factory=dict)
    """What inventory entries and pins record about each node. Only --via pod needs this."""

    lease: LeaseHold | None = None
    """The Lease that this run holds; None for a run that writes nothing."""

    async def confirm_holder(self, arms: ArmedNode | None = None) -> None:
        """Confirms that this run still holds the Lease. Call this right before a write.

        arms: a node whose dead-man's switch the write may set, which the Lease then lists.

        Raises:
            NotTheHolder: this run has lost the Lease.
            KubeError: the API server does not answer.
        """
        if self.lease is not None:
            await self.lease.confirm(arms)

    def may_be_armed(self, arms: ArmedNode) -> None:
        """Records a node whose dead-man's switch may be set, for the Lease's next renewal."""
        if self.lease is not None:
            self.lease.may_be_armed(arms)

    def is_over(self, node: str) -> None:
        """Forgets a node whose dead-man's switch is not set: the Lease's next renewal omits it."""
        if self.lease is not None:
            self.lease.armed.pop(node, None)

    @property
    def why_lost(self) -> str:
        """A message if the Lease is known to be lost; else empty. Sends no request."""
        lost = self.lease.lost if self.lease else None
        return str(lost) if lost else ""

    @property
    def lost_to(self) -> str | None:
        """The run that took over the Lease; empty if unknown.

        None if this run has not lost the Lease.
        """
        lost = self.lease.lost if self.lease else None
        return lost.run if lost else None

    @property
    def fence(self) -> int:
        """This holder's fencing number; 0 without a Lease.

        A node refuses a number, other than 0, that is lower than one that it received before.
        """
        return self.lease.number if self.lease is not None else 0


def end_in_order() -> None:
    """Clears a cancellation, so that the run can still send its last requests."""
    if task := asyncio.current_task():
        task.uncancel()


T = TypeVar("T")

_PAUSE = 1.0
_ANSWERS = (Conflict, CredentialError, Forbidden, NotFound, Unauthorized)
"""Errors that a retry would not change."""


async def once_it_answers(
    ask: Callable[[], Awaitable[T]], context: RolloutContext, node: str, seconds: float
) -> T:
    """Calls `ask`, and retries for `seconds` while the API server does not answer, unless the operator asks to stop.

    Use it only where a delay is harmless.

    Raises:
        KubeError: the API server still does not answer, or answers with an error.
        KubevouchError: raised by `ask`.
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
