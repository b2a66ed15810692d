"""A bench moves every thread of the bed to its cores, and puts all of them back, however it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.cores import Layout, laid_out, layouts

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")

_STARTS_THREADS = """
import threading, time
def more():
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
more()
print(flush=True)
while input():
    more()
    print(flush=True)
"""

_BENCH = """
import signal, sys, time
from bench.cores import laid_out, layouts
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
with laid_out(layouts(apart=True)[1], lambda: [int(sys.argv[1])]):
    print(flush=True)
    while True:  # and not pause(), which sleeps on if the signal came just before it
        time.sleep(0.1)
"""

Child = subprocess.Popen[str]


@pytest.fixture
def cluster() -> Iterator[Child]:
    """A process of two threads, which starts another one for each line that it reads."""
    with _started(_STARTS_THREADS) as child:
        yield child
        child.kill()


def _started(script: str, *words: str) -> Child:
    pipe = subprocess.PIPE
    child = subprocess.Popen(
        [sys.executable, "-c", script, *words], stdin=pipe, stdout=pipe, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "\n"
    return child


def _cores_of(process: int, *, threads: int) -> set[frozenset[int]]:
    found = [int(each.name) for each in Path(f"/proc/{process}/task").iterdir()]
    assert len(found) >= threads
    return {frozenset(os.sched_getaffinity(each)) for each in found}


def test_each_side_runs_on_its_core_with_all_it_starts_and_then_everywhere(
    cluster: Child,
) -> None:
    shared, apart = layouts(apart=True)
    assert cluster.stdin is not None
    assert cluster.stdout is not None
    assert not apart.cluster & apart.clients
    assert apart.cluster | apart.clients <= shared.cluster

    with laid_out(apart, lambda: [cluster.pid]):
        print("more", file=cluster.stdin, flush=True)
        cluster.stdout.readline()
        assert _cores_of(cluster.pid, threads=3) == {apart.cluster}
        assert _cores_of(os.getpid(), threads=1) == {apart.clients}
        with _started(_STARTS_THREADS) as client:
            assert _cores_of(client.pid, threads=2) == {apart.clients}
            client.kill()

    assert _cores_of(cluster.pid, threads=3) == {shared.cluster}
    assert _cores_of(os.getpid(), threads=1) == {shared.clients}


@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGTERM])
def test_a_bench_that_is_ended_puts_the_bed_back(cluster: Child, word: signal.Signals) -> None:
    shared, apart = layouts(apart=True)
    with _started(_BENCH, str(cluster.pid)) as bench:
        assert _cores_of(cluster.pid, threads=2) == {apart.cluster}
        bench.send_signal(word)
    assert _cores_of(cluster.pid, threads=2) == {shared.cluster}


def test_the_next_layout_undoes_what_a_killed_bench_has_left(cluster: Child) -> None:
    shared, apart = layouts(apart=True)
    with _started(_BENCH, str(cluster.pid)) as bench:
        bench.kill()
    assert _cores_of(cluster.pid, threads=2) == {apart.cluster}

    with laid_out(shared, lambda: [cluster.pid]):
        assert _cores_of(cluster.pid, threads=2) == {shared.cluster}


def test_a_process_that_has_ended_is_nobody(cluster: Child) -> None:
    shared, apart = layouts(apart=True)
    cluster.kill()
    cluster.wait()
    with laid_out(Layout("", apart.cluster, shared.clients), lambda: [cluster.pid]):
        pass
