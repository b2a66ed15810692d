"""The server's own numbers, under metrics-server's names (pkg/{api,scraper,server,storage}, 0.9)."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily

from kubevouch.metrics.store import Store

_DEFAULTS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_FRESHNESS: Final = tuple(1.364**power for power in range(20))


class Instruments:
    """What is told as it happens. resolution: seconds between two scrapes of a node."""

    def __init__(self, registry: CollectorRegistry, store: Store, resolution: float) -> None:
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
            "Scrapes that failed, by why",
            ["reason"],
            registry=registry,
        )
        self.freshness = Histogram(
            "metrics_server_api_metric_freshness_seconds",
            "Freshness of metrics exported",
            buckets=_FRESHNESS,
            registry=registry,
        )
        self.round = Histogram(
            "metrics_server_manager_tick_duration_seconds",
            "The total time spent collecting and storing metrics in seconds.",
            buckets=(*_DEFAULTS, *_around(resolution)),
            registry=registry,
        )
        registry.register(_Points(store))

    def scraped(self, node: str, *, ended: float, seconds: float, reason: str = "") -> None:
        """A scrape has ended. ended: Unix time. reason: why it failed, "" for a good one."""
        self.requests.labels("false" if reason else "true").inc()
        self.duration.labels(node).observe(seconds)
        self.last_request.labels(node).set(ended)
        if reason:
            self.failures.labels(reason).inc()

    def forget(self, node: str) -> None:
        """The node is gone, and its series with it."""
        for family in (self.duration, self.last_request):
            family.remove(node)


def _around(resolution: float) -> tuple[float, ...]:
    """Buckets around the resolution (pkg/utils/monitoring.go); the default ones end at 10 seconds."""
    last = _DEFAULTS[-1]
    if resolution <= last:
        return ()
    return (last + (resolution - last) / 2, resolution, resolution * 1.5, resolution * 2)


class _Points:
    """How much can be served, counted when somebody asks."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterable[Metric]:
        """One family."""
        points = GaugeMetricFamily(
            "metrics_server_storage_points", "Number of metrics points stored.", labels=["type"]
        )
        points.add_metric(["node"], self._store.node_points)
        points.add_metric(["container"], self._store.container_points)
        yield points
