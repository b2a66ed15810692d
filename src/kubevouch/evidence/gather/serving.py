"""The certificates that kubelets present at the addresses that metrics-server dials.

This module only does TLS handshakes. It sends kubelets neither credentials nor HTTP requests.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice

from kubevouch.clock import Clock
from kubevouch.evidence.serving import judge_served
from kubevouch.evidence.snapshot import Served, TrustedRoots
from kubevouch.kubelet.dial_result import Target
from kubevouch.kubelet.io.dial import dial

_MOST_NAMED = 3


async def gather_served(
    wanted: Iterable[Target],
    trust: TrustedRoots | None,
    *,
    clock: Clock,
    timeout: float,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Served, ...]:
    """Dials all kubelets and verifies each certificate as metrics-server would.

    The result is sorted by node. timeout: seconds for all addresses of one kubelet. progress:
    called with a text about the kubelets that have not answered yet, and with "" at the end.
    """
    waiting = {(each.node, each.address): each for each in wanted}
    dialled, found = tuple(waiting.values()), []
    progress(_waiting_for(waiting, len(dialled)))
    async for each in dial(dialled, clock=clock, timeout=timeout):
        found.append(judge_served(each, trust, clock))
        waiting.pop((each.target.node, each.target.address), None)
        progress(_waiting_for(waiting, len(dialled)))
    return tuple(sorted(found, key=lambda served: (served.node, served.dialled.target.address)))


def _waiting_for(waiting: Mapping[tuple[str, str], Target], total: int) -> str:
    if not waiting:
        return ""
    named = [f"{each.node} ({each})" for each in islice(waiting.values(), _MOST_NAMED)]
    more = f" and {len(waiting) - len(named)} more" if len(waiting) > len(named) else ""
    answered = f"{total - len(waiting)} of {total} kubelets have answered"
    return f"{answered}; waiting for {', '.join(named)}{more}"
