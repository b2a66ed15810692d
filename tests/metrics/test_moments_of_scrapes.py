"""Each node has moments of its own on the wall clock, so that replicas read it together."""

import contextlib
from collections import Counter, defaultdict

import pytest

from kubevouch.metrics.fleet import FleetNode
from kubevouch.metrics.scraping import ScrapeFailure
from kubevouch.moments import next_moment, phase_of
from tests.metrics.conftest import Cluster, Heard

AT = 1_795_000_005.0
"""A quarter past a moment of phase 0 with a resolution of 20 seconds."""


@pytest.mark.parametrize(
    ("name", "digest"),
    [("k8s-worker-1", "fc4b99b2aeef8153"), ("k8s-worker-2", "8ec4f12b35a7df60")],
)
def test_a_nodes_phase_is_the_same_on_every_machine(name: str, digest: str) -> None:
    """Digests as `printf %s NAME | b2sum -l 64` prints them. Their first six bits count."""
    assert phase_of(name) == (int(digest, 16) >> 58) / 64


def test_a_thousand_nodes_share_a_few_moments_and_none_has_a_crowd() -> None:
    """Who is read at one moment is read with warm caches; a crowd would keep whoever asks meanwhile waiting."""
    crowds = Counter(phase_of(f"node-{number}") for number in range(5000))
    assert len(crowds) == 64
    assert 40 < min(crowds.values()) < max(crowds.values()) < 120


@pytest.mark.parametrize(
    ("phase", "last", "now", "moment"),
    [
        # The one after the last one, however long that took.
        (0.0, AT - 5, AT - 5, AT + 15),
        (0.0, AT - 5, AT + 14, AT + 15),
        (0.5, AT - 15, AT - 1, AT + 5),
        # The first scrape of a node was not at its moment: the next one is at least half a resolution later.
        (0.0, AT, AT, AT + 15),
        (0.3, AT, AT, AT + 21),
        # What took longer than the resolution has missed a moment.
        (0.0, AT - 5, AT + 20, AT + 35),
        # A little early by the wall clock, since timers go by another one: not twice for the same moment.
        (0.0, AT + 14.999, AT + 14.999, AT + 35),
        (0.0, AT + 15, AT + 14.999, AT + 35),
        # The clock was set: what was before says nothing.
        (0.0, AT + 86_400, AT, AT + 15),
        (0.0, AT - 86_400, AT, AT + 15),
    ],
)
def test_the_next_moment(phase: float, last: float, now: float, moment: float) -> None:
    assert next_moment(phase, 20.0, now=now, last=last) == pytest.approx(moment)


def test_a_moment_is_always_to_come_and_never_far() -> None:
    for number in range(2000):
        now = AT + number * 0.37
        last = now - (number % 41)
        moment = next_moment(phase_of(str(number)), 15.0, now=now, last=last)
        assert now < moment <= now + 22.5


async def test_replicas_that_start_apart_read_every_node_at_the_same_moments(
    cluster: Cluster,
) -> None:
    names = ("n1", "n2", "n3")
    for name in names:
        await cluster.add(name)
    first, second = Replica(cluster), Replica(cluster)
    async with first.collecting(), contextlib.AsyncExitStack() as stack:
        while first.fewest(names) < 2:
            await _next_waking(cluster, tasks=3)
        await cluster.clock.pass_(7.3)
        await stack.enter_async_context(second.collecting())
        while second.fewest(names) < 4:
            await _next_waking(cluster, tasks=6)
    for name in names:
        since = second.moments[name][1]
        assert second.moments[name][1:] == [at for at in first.moments[name] if at >= since]


class Replica(Heard):
    """One of several, and when it had read each node."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self._cluster = cluster
        self.moments: dict[str, list[float]] = defaultdict(list)

    def collecting(self) -> contextlib.AbstractAsyncContextManager[object]:
        return self._cluster.collecting(heard=self)

    def scraped(self, node: FleetNode, seconds: float, failure: ScrapeFailure | None) -> None:
        super().scraped(node, seconds, failure)
        self.moments[node.name].append(self._cluster.clock.now().timestamp())

    def fewest(self, names: tuple[str, ...]) -> int:
        return min(len(self.moments[name]) for name in names)


async def _next_waking(cluster: Cluster, *, tasks: int) -> None:
    """Winds the clock to the moment at which the first task wakes, and waits until all of them sleep again."""
    clock = cluster.clock
    await cluster.heard.until(lambda: clock.asleep == tasks)
    assert clock.next_waking is not None
    await clock.pass_((clock.next_waking - clock.now()).total_seconds())
    await cluster.heard.until(lambda: clock.asleep == tasks)
