"""What a page's samples come to, scrape after scrape. The judge is metrics-server itself, recorded (real/oracle)."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kubevouch.kubelet.errors import AnswerError
from kubevouch.metrics.columns import Point
from kubevouch.metrics.store import MetricsStore
from kubevouch.metrics.windows import rate_between
from kubevouch.quantity import format_bytes, format_nanocores, read
from real.oracle import metrics_corpus
from real.oracle.metrics_corpus import as_a_kubelet_writes
from tests.metrics.reading import Exact, Quick
from tests.support.clocks import WoundClock
from tests.support.rows import of_each

CASES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "go-pairs.jsonl").read_text().splitlines()
]
NOW = datetime(2026, 11, 24, tzinfo=UTC)
# Go's longest Duration: it has paired a container with a point that it does not have.
_NONSENSE = 2**63 - 1


def told(store: MetricsStore, reader: Exact) -> dict[str, Any]:
    """The store's state in the words of the record."""
    moment: dict[str, Any] = {}
    if (node := store.node("n1")) is not None:
        moment["node"] = {
            "timestamp_ns": node.timestamp_ns,
            "window_ns": node.window_ns,
            "cpu": format_nanocores(node.cpu_nanocores),
            "memory": format_bytes(node.memory_bytes),
        }
    for (namespace, name), pod in reader.served(store).items():
        moment.setdefault("pods", {})[f"{namespace}/{name}"] = {
            "timestamp_ns": pod.timestamp_ns or 0,
            "window_ns": pod.window_ns,
        } | (
            {
                "containers": [
                    [
                        each.name,
                        format_nanocores(each.cpu_nanocores),
                        format_bytes(each.memory_bytes),
                    ]
                    for each in pod.containers
                ]
            }
            if pod.containers
            else {}
        )
    return moment


def scrape(store: MetricsStore, page: str | None, reader: Exact) -> bool:
    """One scrape of the node; whether its page could not be read."""
    if page is None:
        store.record_failure("n1")
        return False
    try:
        store.record("n1", reader.read(page.encode()))
    except AnswerError:
        store.record_failure("n1")
        return True
    return False


def store_of(resolution: int) -> MetricsStore:
    return MetricsStore(
        timedelta(seconds=resolution), clock=WoundClock(NOW), node_of=lambda _: "n1"
    )


@of_each(CASES, lambda case: str(case["case"]))
def test_what_is_served_is_what_metrics_server_would_serve(case: dict[str, Any]) -> None:
    served(case, case["pages"], Exact())


# The small cases are not in the form of a kubelet's page: what they say is the same.
WRITTEN: list[list[str | None]] = [
    [
        page if page is None or "# HELP" in page or "{ 1" in page else as_a_kubelet_writes(page)
        for page in case["pages"]
    ]
    for case in CASES
]


def test_the_quick_reader_serves_what_metrics_server_would_serve_too() -> None:
    readers = [Quick() for _ in CASES]
    for case, pages, reader in zip(CASES, WRITTEN, readers, strict=True):
        served(case, pages, reader)
    assert sum(reader.quick for reader in readers) > 700


def in_any_order(pages: list[str | None]) -> st.SearchStrategy[list[str | None]]:
    return st.lists(st.sampled_from(pages), min_size=2, max_size=8)


@given(st.sampled_from(WRITTEN).flatmap(in_any_order))
def test_the_quick_reader_and_the_full_one_serve_the_same(pages: list[str | None]) -> None:
    """Whatever happens on a node, also what no recorded case has: its samples, starts and containers go back, too."""
    exact, quick = ((store_of(15), reader) for reader in (Exact(), Quick()))
    for page in pages:
        assert scrape(exact[0], page, exact[1]) == scrape(quick[0], page, quick[1])
        assert told(*exact) == told(*quick)
        assert exact[0].container_points == quick[0].container_points


def served(case: dict[str, Any], pages: list[str | None], reader: Exact) -> None:
    """Asserts that the store has what metrics-server had after each page."""
    store = store_of(case["resolution"])
    for number, (page, told_by_go) in enumerate(zip(pages, case["go"], strict=True)):
        place = (case["case"], number)
        wanted = {**told_by_go, "pods": dict(told_by_go.get("pods", {}))}
        assert scrape(store, page, reader) == wanted.pop("failed", False), place
        found = told(store, reader)
        for key, pod in list(wanted["pods"].items()):
            if pod["window_ns"] == _NONSENSE or _paired_with_nothing(pod, found, key):
                del wanted["pods"][key]
                assert key not in found.get("pods", {})
        assert found == {name: what for name, what in wanted.items() if what}, place


def _paired_with_nothing(pod: dict[str, Any], found: dict[str, Any], key: str) -> bool:
    """metrics-server 0.9 pairs a container that stands still with the zero of all time if only its pod was known.

    Its rate is then one over 292 years.
    """
    if key in found.get("pods", {}):
        return False
    return any((read(cpu) or 0) * 10**9 < 1000 for _, cpu, _ in pod["containers"])


def test_there_are_cases_with_and_without_rows() -> None:
    moments = [moment for case in CASES for moment in case["go"]]
    assert sum("node" in moment for moment in moments) > 300
    assert sum(bool(moment.get("pods")) for moment in moments) > 300
    assert sum("node" not in moment for moment in moments) > 300


def test_a_rate_beyond_all_measure_is_the_most_there_is() -> None:
    assert rate_between(Point(1, 2**64 - 1, 1), Point(0, 0, 1)) == (2**64 - 1, 1)


def test_the_recorded_cases_are_what_their_source_makes() -> None:
    recorded = [{key: case[key] for key in case if key != "go"} for case in CASES]
    assert recorded == metrics_corpus.cases()
