"""When to scrape or dial a node: at wall-clock times that follow from its name.

So all replicas read a kubelet at the same time and answer alike, also after a restart. The hashes
of the names spread the nodes evenly over each interval.
"""

from hashlib import blake2b

PHASES = 64
"""Nodes of one phase are read back to back. Separate times cost much more CPU: all code and data
for a page would leave the processor's caches in between."""
SHORTEST_GAP = 0.5
"""A share of the resolution. A kubelet measures every 10 to 15 seconds, so closer scrapes find
the same sample."""


def phase_of(name: str) -> float:
    """A node's time within the resolution, as a share of it: the same on every machine."""
    digest = int.from_bytes(blake2b(name.encode(), digest_size=8).digest())
    return (digest * PHASES >> 64) / PHASES


def next_moment(phase: float, resolution: float, *, now: float, last: float) -> float:
    """The time of the next one, in seconds since 1970. resolution: seconds between two.

    last: when the last one was due. The next one is after `now`, and not too soon after `last`,
    unless somebody has set the clock meanwhile, so that `last` means nothing.
    """
    earliest = now
    if abs(now - last) < 2 * resolution:
        earliest = max(now, last + SHORTEST_GAP * resolution)
    offset = phase * resolution
    passed = (earliest - offset) // resolution
    moment = offset + passed * resolution
    return moment if moment > now and moment >= earliest else moment + resolution
