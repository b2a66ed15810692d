"""What nodes and containers use: numbers that move like a real node's and are the same for everybody who asks at one time.

Pure: a function of the name, the start and the moment. Rates swing slowly around a mean of their own, counters are the
integral of the rate, and a sample is taken every ten to fifteen seconds, so that two looks within it see the same one
(cAdvisor's housekeeping).
"""

import math
from dataclasses import dataclass
from hashlib import sha256

_MEBI = 1024 * 1024
HOUSEKEEPING = 10.0
"""Seconds; cAdvisor's own are 10 to 15."""


@dataclass(frozen=True)
class Sample:
    """at: Unix time of the sample, seconds. core_seconds: the counter; bytes of the working set."""

    at: float
    core_seconds: float
    working_set: int


@dataclass(frozen=True)
class Load:
    """What something uses on average. cores; memory in bytes."""

    cores: float
    memory: float


def node_load(name: str) -> Load:
    """A machine of two cores that has something to do."""
    first, second = _shares(name)
    return Load(0.09 + 0.16 * first, (620 + 640 * second) * _MEBI)


def container_load(name: str) -> Load:
    """A small service."""
    first, second = _shares(name)
    return Load(0.002 + 0.012 * first, (14 + 50 * second) * _MEBI)


def sample(
    name: str, load: Load, started: float, now: float, every: float = HOUSEKEEPING
) -> Sample | None:
    """The newest sample of what bears this name and began at that moment (Unix time); None before the first.

    every: seconds between two samples, at least; half as many again, at most.
    """
    first, second = _shares(f"{name} sampled")
    step = every * (1 + 0.5 * first)
    age = now - started
    taken = math.floor(age / step) * step
    if taken <= 0:
        return None
    period, phase = 180.0 + 900.0 * second, 2 * math.pi * first
    turn = 2 * math.pi / period
    swing = 0.35 / turn * (math.cos(phase) - math.cos(turn * taken + phase))
    slow = 0.06 * math.sin(turn / 3 * taken + phase)
    return Sample(
        at=started + taken,
        core_seconds=load.cores * (taken + swing),
        working_set=int(load.memory * (1 + slow)) // 4096 * 4096,
    )


def _shares(text: str) -> tuple[float, float]:
    """Two numbers in [0, 1) that belong to the text."""
    digest = sha256(text.encode()).digest()
    return int.from_bytes(digest[:4]) / 2**32, int.from_bytes(digest[4:8]) / 2**32
