"""Schedules scrapes and handshakes at wall-clock times that depend only on the node's name.

So all replicas read a kubelet at the same time and return the same values, even after a restart. A
hash of the name spreads the nodes evenly over each interval.
"""

from hashlib import blake2b

PHASES = 64
"""The number of scrape times per interval. Nodes with the same time are scraped back to back, which
costs much less CPU, since code and data stay in the processor's caches."""
SHORTEST_GAP = 0.5
"""The shortest time between two scrapes, as a fraction of `resolution` in `next_moment`. A kubelet
measures every 10 to 15 seconds, so closer scrapes find the same sample."""


def phase_of(name: str) -> float:
    """The node's scrape time as a fraction of the interval: 0.25 is a quarter into each interval.

    It depends only on the name, so every replica gets the same time.
    """
    digest = int.from_bytes(blake2b(name.encode(), digest_size=8).digest())
    return (digest * PHASES >> 64) / PHASES


def next_moment(phase: float, resolution: float, *, now: float, last: float) -> float:
    """The time of the next scrape, in seconds since 1970. resolution: seconds between two scrapes.

    last: the scheduled time of the last scrape. The result is after `now`, and at least SHORTEST_GAP *
    resolution after `last`. If `last` is far from `now`, the clock was changed, and `last` is ignored.
    """
    earliest = now
    if abs(now - last) < 2 * resolution:
        earliest = max(now, last + SHORTEST_GAP * resolution)
    offset = phase * resolution
    passed = (earliest - offset) // resolution
    moment = offset + passed * resolution
    return moment if moment > now and moment >= earliest else moment + resolution
