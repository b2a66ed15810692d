"""`kubectl top nodes`, asked over and over while something happens."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .cluster import Cluster
from .told import eventually


@dataclass(frozen=True)
class Asked:
    """One question. failure: what it said where it failed. holes: its lines of nodes without usage."""

    began: float
    ended: float
    meanwhile: str
    failure: str
    holes: str


@dataclass
class Load:
    """What was asked."""

    asked: list[Asked] = field(default_factory=list)
    meanwhile: str = ""
    """What happens from now on."""

    @property
    def failures(self) -> list[Asked]:
        return [each for each in self.asked if each.failure]

    @property
    def holes(self) -> list[Asked]:
        return [each for each in self.asked if each.holes]


@contextmanager
def under_load(cluster: Cluster, askers: int = 3) -> Iterator[Load]:
    """While the block lasts so many ask without a pause; in it there must be time for many questions."""
    load, stop = Load(), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            began, meanwhile = time.monotonic(), load.meanwhile
            words = ("top", "nodes", "--no-headers", "-v=6")  # with each URL
            ran = cluster.kubectl(*words, check=False, seconds=120)
            failure = "" if ran.returncode == 0 else ran.stderr or "it failed"
            holes = "".join(each for each in ran.stdout.splitlines() if "<unknown>" in each)
            load.asked.append(Asked(began, time.monotonic(), meanwhile, failure, holes))

    threads = [threading.Thread(target=ask) for _ in range(askers)]
    for each in threads:
        each.start()
    try:
        eventually(lambda: len(load.asked) >= askers, "the first answers")
        yield load
    finally:
        stop.set()
        for each in threads:
            each.join()
