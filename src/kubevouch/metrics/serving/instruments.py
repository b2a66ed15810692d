"""The server's own metrics and the log lines of scrapes, both named as in metrics-server (pkg/{api,scraper,server,storage}, 0.9).

Metrics that metrics-server lacks are called kubevouch_*.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, repeat
from operator import mul
from typing import Final

from prometheus_client import CollectorRegistry, Counter

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.resources import METRICS_VERSIONS
from kubevouch.metrics.columns import PodKey
from kubevouch.metrics.fleet import FleetNode
from kubevouch.metrics.scraping import ScrapeFailure, ScrapeResult, first_of
from kubevouch.metrics.serving.objects import go_duration
from kubevouch.metrics.store import MetricsStore
from kubevouch.serve.logs import Log
from kubevouch.serve.series import Distribution, heading, in_pieces, label

_DEFAULTS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_GROWTH: Final = 1.364
_FRESHNESS_BUCKETS: Final = 20

_FRESHNESS: Final = "metrics_server_api_metric_freshness_seconds"
_LAST_REQUEST: Final = "metrics_server_kubelet_last_request_time_seconds"
_DURATION: Final = "metrics_server_kubelet_request_duration_seconds"
_REQUESTS: Final = "metrics_server_kubelet_request_total"
_TICKS: Final = "metrics_server_manager_tick_duration_seconds"
_POINTS: Final = "metrics_server_storage_points"
_SUCCESS: Final = "kubevouch_kubelet_scrape_last_success"
_FAILURE: Final = "kubevouch_kubelet_scrape_last_failure_info"
_UNVERIFIED: Final = "kubevouch_kubelets_unverified"


class Instruments:
    """Counts scrapes and served measurements. resolution: seconds between two scrapes of a node."""

    def __init__(self, registry: CollectorRegistry, resolution: float) -> None:
        self._resolution = resolution
        self._durations: dict[str, Distribution] = {}
        """Scrape durations by node."""
        self._succeeded = self._failed = 0
        self._round, self._slowest = 0, 0.0
        self._ticks = Distribution(scrape_buckets(resolution))
        self._freshness = Distribution(_exponential(_GROWTH, _FRESHNESS_BUCKETS))
        self.failures = Counter(
            "kubevouch_kubelet_failures",
            "Failed scrapes by reason",
            ["reason"],
            registry=registry,
        )
        self.restarts = Counter(
            "kubevouch_scrape_task_restarts",
            "Scrape tasks that died and were restarted",
            registry=registry,
        )
        self._requests = Counter(
            "kubevouch_metrics_api_requests",
            "Answered requests for metrics, by API version",
            ["version", "code"],
            registry=registry,
        )
        for version in METRICS_VERSIONS:
            self._requests.labels(version, "200")

    def scraped(self, node: str, *, ended: float, seconds: float, reason: str = "") -> None:
        """Counts a scrape. ended: Unix time. reason: why it failed, "" if it succeeded."""
        durations = self._durations.get(node)
        if durations is None:
            durations = self._durations[node] = Distribution(_DEFAULTS)
        durations.observe(seconds)
        if reason:
            self._failed += 1
            self.failures.labels(reason).inc()
        else:
            self._succeeded += 1
        self._count_round(int(ended // self._resolution), seconds)

    def _count_round(self, number: int, seconds: float) -> None:
        """Observes the duration of the slowest scrape in each round.

        In metrics-server a round ends with its slowest scrape. Here scrapes do not wait for each
        other, and a round lasts one resolution.
        """
        if number != self._round:
            if self._round:
                self._ticks.observe(self._slowest)
            self._round, self._slowest = number, 0.0
        self._slowest = max(self._slowest, seconds)

    def answered(self, version: str, code: int) -> None:
        """Counts a request for metrics."""
        self._requests.labels(version, code).inc()

    def served(self, ages: Sequence[float]) -> None:
        """Counts served measurements. ages: the age of each in seconds."""
        self._freshness.observe_each(ages)

    def forget(self, node: str) -> None:
        """Drops the counts of a removed node."""
        self._durations.pop(node, None)

    def pages(self, store: MetricsStore, results: Mapping[str, ScrapeResult]) -> Iterator[str]:
        """Yields the metrics that are not in the registry, as text in pieces.

        results: each node's last scrape, by node name.
        """
        yield _heading(_FRESHNESS, "histogram", "Freshness of metrics exported") + (
            self._freshness.lines(_FRESHNESS)
        )
        yield from self._of_nodes(results)
        if found := sum(bool(each.doubt) for each in results.values()):
            text = "Unverified kubelets, scraped without a credential"
            yield _heading(_UNVERIFIED, "gauge", text) + f"{_UNVERIFIED} {found}\n"
        yield _heading(_REQUESTS, "counter", "Number of requests sent to Kubelet API") + (
            f'{_REQUESTS}{{success="false"}} {self._failed}\n' * bool(self._failed)
            + f'{_REQUESTS}{{success="true"}} {self._succeeded}\n' * bool(self._succeeded)
        )
        text = "The total time spent collecting and storing metrics in seconds."
        yield _heading(_TICKS, "histogram", text) + self._ticks.lines(_TICKS)
        yield _heading(_POINTS, "gauge", "Number of metrics points stored.") + (
            f'{_POINTS}{{type="container"}} {store.container_points}\n'
            f'{_POINTS}{{type="node"}} {store.node_points}\n'
        )

    def _of_nodes(self, results: Mapping[str, ScrapeResult]) -> Iterator[str]:
        # A node that left and returned may not have been scraped since.
        nodes: Sequence[tuple[str, Distribution, ScrapeResult]] = [
            (label("node", name), self._durations[name], results[name])
            for name in sorted(self._durations.keys() & results.keys())
        ]
        text = "Time of last request performed to Kubelet API since unix epoch in seconds"
        yield from in_pieces(
            _heading(_LAST_REQUEST, "gauge", text),
            (f"{_LAST_REQUEST}{{{name}}} {last.at.timestamp()!r}\n" for name, _, last in nodes),
        )
        yield from in_pieces(
            _heading(_DURATION, "histogram", "Duration of requests to Kubelet API in seconds"),
            (durations.lines(_DURATION, name) for name, durations, _ in nodes),
        )
        yield from in_pieces(
            _heading(_SUCCESS, "gauge", "Whether the last scrape of the node succeeded"),
            (f"{_SUCCESS}{{{name}}} {int(not last.reason)}\n" for name, _, last in nodes),
        )
        yield from in_pieces(
            _heading(_FAILURE, "gauge", "Why the last scrape of the node failed"),
            (
                f"{_FAILURE}{{{name},{label('reason', last.reason)}}} 1\n"
                for name, _, last in nodes
                if last.reason
            ),
        )


def _heading(name: str, kind: str, text: str) -> str:
    """The HELP and TYPE lines of a family.

    All of metrics-server's metrics are ALPHA: Kubernetes makes no promise about their stability.
    """
    return heading(name, kind, f"[ALPHA] {text}")


def _exponential(growth: float, count: int) -> tuple[float, ...]:
    """Bucket bounds like prometheus.ExponentialBuckets from 1; each is `growth` times the previous."""
    return tuple(accumulate(repeat(growth, count - 1), mul, initial=1.0))


def scrape_buckets(resolution: float) -> tuple[float, ...]:
    """The bucket bounds for scrape durations, with four more if the resolution exceeds 10 s.

    As in metrics-server (pkg/utils/monitoring.go, BucketsForScrapeDuration).
    """
    most = _DEFAULTS[-1]
    if resolution <= most:
        return _DEFAULTS
    half = most + (resolution - most) / 2
    return (*_DEFAULTS, half, resolution, resolution * 1.5, resolution * 2.0)


class ScrapeLog:
    """A ScrapeObserver that writes log lines and counts scrapes.

    timeout: seconds for one scrape, for the log line about a time-out.
    """

    def __init__(self, log: Log, clock: Clock, instruments: Instruments, timeout: float) -> None:
        self._log = log
        self._clock = clock
        self._timeout = go_duration(int(timeout * 1e9))
        self._instruments = instruments

    def scraped(self, node: FleetNode, seconds: float, failure: ScrapeFailure | None) -> None:
        """Logs and counts a scrape."""
        ended, reason = self._clock.now().timestamp(), failure.reason if failure else ""
        self._instruments.scraped(node.name, ended=ended, seconds=seconds, reason=reason)
        if failure is None:
            if self._log.shows(2):
                duration = go_duration(int(seconds * 1e9))
                self._log.verbose(2, "Scraped node", node=node.name, duration=duration)
        elif not node.ready:
            text = "Failed to scrape node, node is not ready"
            self._log.verbose(4, text, node=node.name, err=failure.text)
        elif failure.reason == "deadline":
            text = "Failed to scrape node, timeout to access kubelet"
            self._log.error(failure.text, text, node=node.name, timeout=self._timeout)
        else:
            self._log.error(failure.text, "Failed to scrape node", node=node.name)

    def duplicate(self, node: FleetNode, pods: tuple[PodKey, ...]) -> None:
        """Logs that a node reported another node's pods."""
        text = "the node reports pods that run on another node"
        self._log.error(text, "Got duplicate pod point", node=node.name, pods=_named(pods))

    def incomplete(self, node: FleetNode, *, node_itself: bool, pods: tuple[PodKey, ...]) -> None:
        """Logs that a kubelet reported no CPU or no memory for the node, or for some pods."""
        if node_itself:
            self._log.verbose(1, "Failed getting complete node metric", node=node.name)
        if pods:
            text = "Failed getting complete Pod metric"
            self._log.verbose(1, text, node=node.name, pods=_named(pods))

    def doubted(self, node: FleetNode, doubt: str) -> None:
        """Logs that a kubelet is unverified."""
        text = "A kubelet is not verified, so no credential is sent to it; `kubevouch plan` can fix this"
        self._log.error(doubt, text, node=node.name)

    def restarted(self, node: FleetNode, error: BaseException | None) -> None:
        """Logs and counts that a node's task died and was restarted."""
        self._instruments.restarts.inc()
        seen = "cancelled" if error is None else f"{type(error).__name__}: {error}"
        self._log.error(seen, "A node's scrape task died and was restarted", node=node.name)

    def removed(self, name: str) -> None:
        """Drops the metrics of a node that has left the cluster."""
        self._instruments.forget(name)

    def selects_nothing(self, node_selector: str) -> None:
        """Logs that there is nothing to scrape."""
        text = "No node matches --node-selector, so the server is not ready"
        self._log.warning(text, selector=node_selector)

    def watch_failed(self, resource: str, error: KubevouchError) -> None:
        """Logs that a watch failed; it will be retried."""
        self._log.error(error, "Failed to watch", resource=resource)


def _named(pods: tuple[PodKey, ...]) -> str:
    return first_of(["/".join(pod) for pod in pods])
