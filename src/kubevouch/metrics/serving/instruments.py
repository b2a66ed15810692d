"""The server's own Prometheus metrics, under metrics-server's names (pkg/{api,scraper,storage}, 0.9).

metrics_server_manager_tick_duration_seconds is missing: here no round waits for its slowest kubelet.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily

from kubevouch.metrics.store import MetricsStore

_DEFAULTS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_FRESHNESS: Final = tuple(1.364**power for power in range(20))


class Instruments:
    """Counts scrapes and served measurements. nodes: returns the names of the current nodes."""

    def __init__(
        self, registry: CollectorRegistry, store: MetricsStore, nodes: Callable[[], Collection[str]]
    ) -> None:
        self._nodes: set[str] = set()
        self.requests = Counter(
            "metrics_server_kubelet_request",
            "Number of requests sent to Kubelet API",
            ["success"],
            registry=registry,
        )
        self.duration = Histogram(
            "metrics_server_kubelet_request_duration_seconds",
            "Duration of requests to Kubelet API in seconds",
            ["node"],
            buckets=_DEFAULTS,
            registry=registry,
        )
        self.last_request = Gauge(
            "metrics_server_kubelet_last_request_time_seconds",
            "Time of last request performed to Kubelet API since unix epoch in seconds",
            ["node"],
            registry=registry,
        )
        self.failures = Counter(
            "kubevouch_kubelet_failures",
            "Failed scrapes by reason",
            ["reason"],
            registry=registry,
        )
        self.restarts = Counter(
            "kubevouch_scrape_task_restarts",
            "Tasks of nodes that died and were started again",
            registry=registry,
        )
        self.freshness = Histogram(
            "metrics_server_api_metric_freshness_seconds",
            "Freshness of metrics exported",
            buckets=_FRESHNESS,
            registry=registry,
        )
        registry.register(_Points(store, lambda: self.keep_only(nodes())))

    def scraped(self, node: str, *, ended: float, seconds: float, reason: str = "") -> None:
        """Counts a scrape. ended: Unix time. reason: why it failed, "" if it succeeded."""
        self._nodes.add(node)
        self.requests.labels("false" if reason else "true").inc()
        self.duration.labels(node).observe(seconds)
        self.last_request.labels(node).set(ended)
        if reason:
            self.failures.labels(reason).inc()

    def served(self, age: float, count: int) -> None:
        """Counts measurements served. age: seconds since they were made."""
        for _ in range(count):
            self.freshness.observe(age)

    def keep_only(self, nodes: Collection[str]) -> None:
        """Removes the series of nodes that are gone."""
        for name in self._nodes - set(nodes):
            self.duration.remove(name)
            self.last_request.remove(name)
        self._nodes &= set(nodes)


class _Points:
    """How much can be served, counted when somebody asks."""

    def __init__(self, store: MetricsStore, tidy: Callable[[], None]) -> None:
        self._store = store
        self._tidy = tidy

    def collect(self) -> Iterable[Metric]:
        """The family metrics_server_storage_points."""
        self._tidy()
        points = GaugeMetricFamily(
            "metrics_server_storage_points", "Number of metrics points stored.", labels=["type"]
        )
        points.add_metric(["node"], self._store.node_points)
        points.add_metric(["container"], self._store.container_points)
        yield points
