"""What a run needs of the world, passed in: a client, a transport to nodes, a clock, somebody who watches."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kubevouch.clock import Clock
from kubevouch.kube.io.client import ApiClient
from kubevouch.node.destination import Destination
from kubevouch.node.script import DialAddress, Script, ScriptResult, T


class NodeTransport(Protocol):
    """Carries a script to a node: `node.ssh.Ssh` or `node.local.Local`."""

    name: str

    async def destination(self, host: str) -> Destination:
        """How `host` would be reached, and whether its key is known. Connects to nothing. Raises NodeUnreachable."""
        ...

    async def run_script(
        self, host: str, script: Script[T], *, timeout: float, at: DialAddress | None = None
    ) -> ScriptResult[T]:
        """Raises NodeError. at: where it is dialled in place of where its name leads."""
        ...


class ProgressReport(Protocol):
    """Called for what happens during a run, as it happens."""

    def step(self, node: str, text: str) -> None:
        """The node has come so far."""
        ...

    def waiting(self, node: str, text: str) -> None:
        """What the node waits for now; may be drawn over."""
        ...

    def ended(self, node: str, text: str) -> None:
        """The node is through, one way or the other."""
        ...


@dataclass(frozen=True)
class RolloutContext:
    """All of it.

    stop: True once the operator wants to stop after the node in hand. random_serial: a fresh random number of so
    many bits.
    """

    api: ApiClient
    transport: NodeTransport
    clock: Clock
    progress: ProgressReport
    stop: Callable[[], bool]
    random_serial: Callable[[int], int]
