"""When a node is scraped or dialled: at moments of the wall clock that follow from its name.

Replicas so read a kubelet at the same moment, and answer alike; a replica that starts again falls in with the others.
The names spread the nodes evenly over a few moments of each resolution.
"""

from hashlib import blake2b

PHASES = 64
"""Nodes of one phase are read one after another: that costs much less CPU than each at a moment of its own, for which all
that reads a page has to come back into the processor's caches."""
SHORTEST_GAP = 0.5
"""Of the resolution. A kubelet measures every 10 to 15 seconds, so two scrapes closer together find the same sample."""


def phase_of(name: str) -> float:
    """Where the moments of a node lie within the resolution, as a share of it: the same on every machine."""
    digest = int.from_bytes(blake2b(name.encode(), digest_size=8).digest())
    return (digest * PHASES >> 64) / PHASES


def next_moment(phase: float, resolution: float, *, now: float, last: float) -> float:
    """The moment of the next one; all moments in seconds since 1970. resolution: seconds from one to the next.

    last: when the last one was due. The next one is after `now`, and not too soon after `last`, unless the clock was
    set meanwhile, so that `last` says nothing.
    """
    earliest = now
    if abs(now - last) < 2 * resolution:
        earliest = max(now, last + SHORTEST_GAP * resolution)
    offset = phase * resolution
    passed = (earliest - offset) // resolution
    moment = offset + passed * resolution
    return moment if moment > now and moment >= earliest else moment + resolution
