"""The interface of transports (ssh, pods), and a function that runs a script on a node.

The function tries the node's names and addresses, and uses the first whose host key is known.
"""

from collections.abc import Sequence
from typing import Protocol

from kubevouch.node.destination import WITH_A_HOST_NAME, Destination, advice
from kubevouch.node.errors import NodeError, NodeUnreachable, NoRoot, ScriptFailed
from kubevouch.node.script import DialAddress, Script, ScriptResult, T


class NodeTransport(Protocol):
    """Runs a script on a node: `node.io.ssh.Ssh` or `rollout.act.pod_transport.PodTransport`."""

    name: str

    async def destination(self, host: str) -> Destination:
        """How to reach `host`, and whether its host key is known. Does not connect.

        Raises NodeUnreachable.
        """
        ...

    async def run_script(
        self, host: str, script: Script[T], *, timeout: float, at: DialAddress | None = None
    ) -> ScriptResult[T]:
        """Runs a script on a host. at: the address to dial instead of the host's own. Raises NodeError."""
        ...


_UNRESOLVED = "Could not resolve hostname"
"""ssh's message for a name that does not resolve. ssh never translates it (ssh.c, resolve_host)."""


async def run_on_first_known(
    node: str,
    hosts: Sequence[str],
    script: Script[T],
    transport: NodeTransport,
    *,
    timeout: float,
) -> tuple[str, ScriptResult[T]]:
    """Runs the script on the first of `hosts` whose key is known. Returns that host and the answer.

    hosts: the node's names and addresses. If a host with a known key fails, no other host is tried.
    The next would be an address from the Node's status, which the node itself writes, so another
    machine may have this address.

    Raises:
        NodeError: the host does not answer, or no host has a known key. The message lists what was
            tried, and what to try next.
    """
    looked_up: list[Destination] = []
    failures: list[NodeError] = []
    for host in hosts:
        found = await transport.destination(host)
        looked_up.append(found)
        if found.is_known is False:
            continue
        try:
            return host, await transport.run_script(host, script, timeout=timeout)
        except NodeError as error:
            if found.is_known:
                hint = f"known_hosts has a key for {found.name}, so no other address is tried"
                if isinstance(error, NoRoot | ScriptFailed):
                    raise type(error)(node, str(error), hint) from None
                hint += f": make `ssh {host} true` work"
                if _UNRESOLVED in str(error):
                    hint += f", {WITH_A_HOST_NAME}"
                raise NodeUnreachable(node, str(error), hint) from None
            failures.append(error)
    hint = advice(looked_up)
    if len(failures) == 1 and not hint:
        raise failures[0]
    complaints = "; ".join(str(each) for each in failures)
    raise NodeUnreachable(node, complaints or "ssh did not connect", hint)
