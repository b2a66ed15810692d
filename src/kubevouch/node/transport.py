"""The way of a script to a node, whatever it is: what `node.io.ssh` and `node.io.local` have in common."""

from typing import Protocol

from kubevouch.node.destination import Destination
from kubevouch.node.script import DialAddress, Script, ScriptResult, T


class NodeTransport(Protocol):
    """Runs a script on a node: `node.io.ssh.Ssh` or `node.io.local.Local`."""

    name: str

    async def destination(self, host: str) -> Destination:
        """How `host` would be reached, and whether its key is known. Connects to nothing. Raises NodeUnreachable."""
        ...

    async def run_script(
        self, host: str, script: Script[T], *, timeout: float, at: DialAddress | None = None
    ) -> ScriptResult[T]:
        """Raises NodeError. at: where it is dialled in place of where its name leads."""
        ...
