"""A day in which nodes come and go, on a clock that the test winds: what the exporter holds in the evening is what it held before.

Every handshake is a real one, with kubelets of the test; the plan, the results and the series are the exporter's own.
"""

import asyncio
import contextlib
import gc
import json
import tracemalloc
from datetime import UTC, datetime

import pytest

from kubevouch.evidence.snapshot import TrustedRoots
from kubevouch.inventory.act.kubelets import Kubelets
from kubevouch.kube.decode import decoded
from kubevouch.kube.resources import Node
from kubevouch.x509 import read_certificates
from tests.support.authority import Authority
from tests.support.clocks import SteppedClock
from tests.support.contexts import server_context
from tests.support.rows import only_long
from tests.support.scripted.kubelet import ScriptedKubelet, Serve
from tests.support.small_cluster import node_object
from tests.support.unhurried import GENEROUS

STAY = 12
"""Nodes that are there at any time; each hour four of them go, and others come."""
A_GONE_NODE = 1024
"""Bytes that may be left of one, in what Python and libraries keep for next time."""


@pytest.mark.parametrize("hours", [9, only_long(24)])
async def test_what_an_exporter_holds_after_a_day_it_held_in_the_morning(
    hours: int,
) -> None:
    clock, authority = SteppedClock(datetime.now(UTC)), Authority()
    pair = authority.serving("n", "127.0.0.1", node="n")
    async with ScriptedKubelet(Serve(server_context(pair), {}), clock) as kubelet:
        dialled: list[str] = []
        found = Kubelets(clock, interval=900.0, timeout=10.0, dialled=dialled.append)
        found.trust(TrustedRoots(read_certificates(authority.pem, "test")))
        task = asyncio.create_task(found.run())
        names = [f"node-{number}" for number in range(STAY)]
        held, made = [], STAY
        tracemalloc.start()
        try:
            for name in names:
                found.put(_node(name, kubelet.port))
            for hour in range(hours):
                for _ in range(4):
                    found.remove(names.pop(0))
                    names.append(f"node-{made}")
                    found.put(_node(names[-1], kubelet.port))
                    made += 1
                await _pass(clock, found, dialled)
                kubelet.seen.clear()
                assert set(found.results) == set(found.nodes) == set(names)
                if hour in (hours // 3, hours - 1):
                    held.append(_memory())
        finally:
            tracemalloc.stop()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        assert held[1] - held[0] < 4 * (hours - 1 - hours // 3) * A_GONE_NODE


async def _pass(clock: SteppedClock, found: Kubelets, dialled: list[str]) -> None:
    """An hour goes by in which each is dialled two times or more, and those that came are dialled."""
    before = len(dialled)
    async with asyncio.timeout(GENEROUS):
        for _ in range(12):
            await clock.pass_(300.0)
        while len(dialled) < before + 2 * STAY or found.plan.unasked:
            await clock.pass_(300.0)
    dialled.clear()


def _node(name: str, port: int) -> Node:
    return decoded(json.dumps(node_object(name, port)).encode(), Node, name)


def _memory() -> int:
    gc.collect()
    ours = [tracemalloc.Filter(inclusive=True, filename_pattern="*/src/kubevouch/*")]
    snapshot = tracemalloc.take_snapshot().filter_traces(ours)
    return sum(each.size for each in snapshot.statistics("filename"))
