"""What kubelets present on the wire, at the address that metrics-server would dial, by a bare handshake.

No credential and no byte of HTTP is ever sent to a kubelet.
"""

from collections.abc import Iterable

from kubevouch.clock import Clock
from kubevouch.evidence.serving import judged
from kubevouch.evidence.snapshot import Served, TrustedRoots
from kubevouch.kubelet.dialled import Target
from kubevouch.kubelet.io.dial import dial


async def gather_served(
    wanted: Iterable[Target], trust: TrustedRoots | None, *, clock: Clock, timeout: float = 10.0
) -> tuple[Served, ...]:
    """Dials them all and judges each leaf as metrics-server would, in the order of the nodes' names."""
    found = [
        judged(each, trust, clock) async for each in dial(wanted, clock=clock, timeout=timeout)
    ]
    return tuple(sorted(found, key=lambda served: (served.node, served.address)))
