"""Our metrics server in the place of the other one, as two replicas: one of them ends while somebody asks."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from .cluster import Cluster
from .in_place import in_place, pods, ready_addresses, wait_until_ready
from .told import eventually

_ASKING = 3
_SYNCED = 3.0
"""Seconds from the moment when an EndpointSlice says so until no new connection goes there (kube-proxy's own pace)."""


@dataclass(frozen=True)
class Asked:
    """One `kubectl top nodes`."""

    began: float
    failure: str


@dataclass
class Load:
    """What several have asked, over and over."""

    asked: list[Asked] = field(default_factory=list)

    @property
    def failures(self) -> list[Asked]:
        return [each for each in self.asked if each.failure]


@contextmanager
def under_load(cluster: Cluster) -> Iterator[Load]:
    load, stop = Load(), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            began = time.monotonic()
            ran = cluster.kubectl("top", "nodes", "--no-headers", check=False, seconds=120)
            well = ran.returncode == 0 and "<unknown>" not in ran.stdout
            load.asked.append(Asked(began, "" if well else ran.stdout + ran.stderr))

    threads = [threading.Thread(target=ask) for _ in range(_ASKING)]
    for each in threads:
        each.start()
    try:
        eventually(lambda: len(load.asked) >= _ASKING, "the first answers")
        yield load
    finally:
        stop.set()
        for each in threads:
            each.join()


@pytest.mark.long_on_the_bed
def test_a_replica_ends_while_somebody_asks(cluster: Cluster, image_reference: str) -> None:
    """By SIGTERM nobody notices; by SIGKILL only who asks before its endpoint is withdrawn."""
    cluster.state("healthy")
    with in_place(cluster, image_reference, replicas=2):
        ended, _ = wait_until_ready(cluster, 2)
        with under_load(cluster) as load:
            words = ("delete", "pod", ended.name, "-n", "kube-system", "--timeout=90s")
            cluster.kubectl(*words, seconds=100)
            left = wait_until_ready(cluster, 2)
        assert ended.name not in {each.name for each in left}
        assert not load.failures, load.failures

        killed, other = left
        with under_load(cluster) as load:
            process = cluster.process_of(killed.name, killed.node)
            cluster.where_pods_run(killed.node).sh(f"kill -KILL {process}")
            eventually(lambda: killed.address not in ready_addresses(cluster), "its withdrawal")
            withdrawn = time.monotonic()
            again = wait_until_ready(cluster, 2)
        late = [each for each in load.failures if each.began > withdrawn + _SYNCED]
        assert not late, late
        assert len(load.asked) > len(load.failures)
        print(f"{len(load.failures)} of {len(load.asked)} failed before the withdrawal")
        restarts = {each.name: each.restarts for each in again}
        assert restarts == {killed.name: killed.restarts + 1, other.name: other.restarts}
        assert pods(cluster) == again
