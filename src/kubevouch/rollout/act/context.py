"""What a run is given: a client, a transport to nodes, a clock, and a report of its progress."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kubevouch.clock import Clock
from kubevouch.kube.io.client import ApiClient
from kubevouch.node.transport import NodeTransport
from kubevouch.rollout.decide.armed import ArmedNode


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


@dataclass(frozen=True)
class RolloutContext:
    """Everything that a run is given.

    stop: True once the operator wants to stop after the node in hand. random_serial: a fresh random number of so
    many bits.
    """

    api: ApiClient
    transport: NodeTransport
    clock: Clock
    progress: ProgressReport
    stop: Callable[[], bool]
    random_serial: Callable[[int], int]
    armed: Callable[[ArmedNode | None], None] = lambda _: None
    """Called with the node in hand from the moment at which it may be armed, and with None once it is not any more."""
