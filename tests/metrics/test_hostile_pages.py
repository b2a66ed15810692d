"""A kubelet that was verified may still lie: no page of it holds up the others, or costs memory that stays."""

import gc
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path

import pytest

from kubevouch.kubelet.errors import AnswerError
from kubevouch.metrics.pages import (
    LARGEST,
    MOST_CONTAINERS,
    reading,
)
from kubevouch.metrics.quick_pages import page_form, quick_page
from kubevouch.metrics.store import MetricsStore
from tests.metrics.reading import read_page
from tests.support.clocks import WoundClock

MOST = 5
"""Times as much of the processor as for an honest page one callback of the event loop may take for any page, of up to ten times its length."""
_TRIES = 6
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def page(pods: int, stem: str = "p") -> bytes:
    """A page of pods with one container each, as a kubelet writes it."""
    lines = []
    for family in ("cpu_usage_seconds_total", "memory_working_set_bytes"):
        lines.append(f"# HELP container_{family} x\n# TYPE container_{family} gauge\n")
        lines += [
            f'container_{family}{{container="{stem}c{i}",namespace="n",pod="{stem}{i}"}} {i + 1} 7\n'
            for i in range(pods)
        ]
    node = "node_cpu_usage_seconds_total 1 7\nnode_memory_working_set_bytes 1 7\n"
    return "".join((*lines, "# HELP node x\n", node)).encode()


def filled(unit: bytes, most: int = LARGEST) -> bytes:
    return unit * (most // len(unit))


def told(family: bytes, labels: bytes, lines: int) -> bytes:
    """A page of series that each have these labels and one of their own."""
    return b"".join(b'%s{%sb="%d"} 1\n' % (family, labels, i) for i in range(lines))


HONEST = cache(lambda: page(5_000))
LABELS = b",".join(b'a%d="%s"' % (i, b"v" * 10) for i in range(32))
HOSTILE: dict[str, Callable[[], bytes]] = {
    "pods of other nodes": lambda: page(45_000),
    "as many pods as are read": lambda: page(MOST_CONTAINERS // 2),
    "short lines": lambda: filled(b'pod_cpu_usage_seconds_total{namespace="",pod=""} 1\n'),
    "escapes in one line": lambda: b'x{a="' + b'\\"' * (LARGEST // 2 - 9),
    "many labels": lambda: b"x{%s} 1\n" % LABELS * 10_000,
    "many labels of containers": lambda: told(
        b"container_cpu_usage_seconds_total", b'a="",' * 150, 9_900
    ),
    "many labels of the node": lambda: told(b"node_cpu_usage_seconds_total", b'a="",' * 150, 9_900),
    "long labels of containers": lambda: told(
        b"container_cpu_usage_seconds_total", b'a="",' * 12_000, 138
    ),
    "escapes of containers": lambda: told(
        b"container_cpu_usage_seconds_total", b'a="%s",' % (b'\\"' * 350), 9_900
    ),
    "escapes": lambda: filled(b'x{a="' + b'\\"' * 8000 + b'"} 1\n'),
    "blanks": lambda: b" " * LARGEST,
    "a name without an end": lambda: (
        b'container_cpu_usage_seconds_total{container="' + b"a" * (LARGEST - 100)
    ),
    "ends of lines": lambda: b"\n" * LARGEST,
    "one letter": lambda: b"s" * LARGEST,
    "short words": lambda: b"\ncontainer_cpu_usage_seconds_total{" + filled(b"ab ", LARGEST - 100),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_page_holds_up_the_event_loop(name: str) -> None:
    body = HOSTILE[name]()
    assert len(body) <= LARGEST
    # The fastest of a few: the machine may be busy, or slow for a while, and then it is so for both. What is far over the limit is not tried again.
    honest, spent = [_first_of_an_honest_one()], [_longest_callback(body)]
    while 1 <= min(spent) / min(honest) / MOST < 10 and len(spent) < _TRIES:
        honest.append(_longest_callback(HONEST()))
        spent.append(_longest_callback(body))
    assert min(spent) < MOST * min(honest), (spent, honest)


@cache
def _first_of_an_honest_one() -> float:
    return _longest_callback(HONEST())


def _longest_callback(body: bytes) -> float:
    return max(_callbacks(body))


def _callbacks(body: bytes) -> list[float]:
    """What the scraper does with a page, by what it does at once: seconds of processor."""
    store = MetricsStore(
        timedelta(seconds=15), clock=WoundClock(NOW), node_of=lambda _: "another node"
    )
    spent: list[float] = []
    steps = reading(body, "n1", 0)
    while True:
        began = time.thread_time()
        try:
            next(steps)
        except StopIteration as end:
            page_form(body, end.value)
            store.record("n1", end.value)
            return [*spent, time.thread_time() - began]
        except AnswerError:
            return [*spent, time.thread_time() - began]
        spent.append(time.thread_time() - began)


def test_a_page_that_is_longer_than_that_of_any_usual_node_is_read_in_steps() -> None:
    """A few bytes of gzip may become 8 MiB, which are looked through several times. Both readers find the same in it."""
    usual, padding = page(50), b"# HELP something " + b"x" * 1000 + b"\n"
    longer = usual + padding * ((2 << 20) // len(padding) + 1)
    read = read_page(usual)
    form = page_form(usual, read)
    assert quick_page(usual, form) is not None
    assert quick_page(longer, form) is None
    assert page_form(longer, read_page(longer)) is None
    assert read_page(longer).node == read.node


def test_a_page_of_more_pods_than_a_node_runs_is_refused() -> None:
    with pytest.raises(AnswerError, match="more than 10000 containers; no node runs that many"):
        list(reading(page(45_000), "n1", 0))


def test_names_that_change_from_page_to_page_leave_no_memory_behind() -> None:
    grown = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import churn; print(churn())"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    # Kept for good, the names alone would be 15 MB.
    assert int(grown.stdout) < 8 << 20


def test_two_labels_that_are_written_as_one_are_not_those_of_the_page_before() -> None:
    honest = page(2)
    form = page_form(honest, read_page(honest))
    together = honest
    for family in (b"container_cpu_usage_seconds_total", b"container_memory_working_set_bytes"):
        together = together.replace(b" 1 7\n" + family, family)
    assert together.count(b"\n") == honest.count(b"\n") - 2
    # Rows that are named and not there would be an error of ours in every list that the pods belong to.
    assert form is not None
    assert quick_page(together, form) is None
    with pytest.raises(AnswerError):
        read_page(together)


@pytest.mark.parametrize("what", ["container", "namespace", "pod"])
@pytest.mark.parametrize(
    "name", ["", "x" * 254, *(f"x{letter}[2J" for letter in "\x1b\r\x00 \x7fé\u202e"), "x\\n[2J"]
)
def test_a_page_with_a_name_that_nothing_has_is_refused(what: str, name: str) -> None:
    """Whatever is served of it, kubectl would send to somebody's terminal as it is."""
    usual = page(1)
    forged = re.sub(rf'{what}="[^"]+"', lambda _: f'{what}="{name}"', usual.decode()).encode()
    assert quick_page(forged, page_form(usual, read_page(usual))) is None
    with pytest.raises(AnswerError, match=r"a name of \d+ bytes: .* is this a kubelet"):
        read_page(forged)


def churn(pages: int = 30) -> int:
    """How many bytes a process grows by while one kubelet makes up new names for each page."""
    store = MetricsStore(timedelta(seconds=15), clock=WoundClock(NOW), node_of=lambda _: "n1")
    numbers = count()

    def scrape() -> None:
        body = page(2_000, f"{next(numbers):x<40}")
        read = read_page(body)
        assert page_form(body, read) is not None
        store.record("n1", read)

    for _ in range(10):
        scrape()
    gc.collect()
    before = _resident()
    for _ in range(pages):
        scrape()
    gc.collect()
    return _resident() - before


def _resident() -> int:
    [line] = [
        each
        for each in Path("/proc/self/status").read_text().splitlines()
        if each.startswith("VmRSS:")
    ]
    return int(line.split()[1]) * 1024
