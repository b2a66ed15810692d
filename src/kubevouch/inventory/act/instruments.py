"""The exporter's own metrics: its requests and dials, and the age of its data."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily

from kubevouch.inventory.act.kubelets import DialledKubelet, Kubelets
from kubevouch.inventory.act.other_certificates import OtherCertificates
from kubevouch.inventory.pending_csrs import IssuedServing, Pending, pending_age
from kubevouch.kube.resources import Node
from kubevouch.serve.counters import ServerCounters
from kubevouch.serve.series import heading, in_pieces, label

PREFIX: Final = "kubevouch_exporter_"


class ExporterInstruments(ServerCounters):
    """The exporter's counters since its start."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry, PREFIX)
        self.dials = self.counter("dials", "Handshakes with kubelets, by outcome.", "result")
        self.read_failures = self.counter("read_failures", "Failed reads of unwatched objects.")
        self.dials.labels("answered")

    def dialled(self, failure: str) -> None:
        """Counts a finished handshake. failure: "" if the kubelet presented a certificate."""
        self.dials.labels(failure or "answered").inc()


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value=value)


def _gauges(name: str, about: str, of: str, values: Mapping[str, float]) -> Metric:
    """A gauge with one label. of: the label's name."""
    family = GaugeMetricFamily(name, about, labels=[of])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def exporter_gauges(
    kubelets: Kubelets,
    others: OtherCertificates,
    pending: Mapping[str, Pending],
    heard: Mapping[str, float],
    now: datetime,
) -> Iterator[Metric]:
    """Yields the gauges that are computed at each scrape.

    pending: the waiting kubelets of each signer. heard: when each watch last received data, in
    seconds since 1970.
    """
    yield from _coverage(kubelets)
    yield _gauges(
        "kubevouch_csr_pending",
        "Kubelets that wait for a certificate, by signer.",
        "signer",
        {signer: each.askers for signer, each in pending.items()},
    )
    yield _gauges(
        "kubevouch_csr_oldest_pending_age_seconds",
        "Longest time that a kubelet has waited, even across several CSRs; 0 if no kubelet waits.",
        "signer",
        {signer: pending_age(each, now) for signer, each in pending.items()},
    )
    yield _gauges(
        f"{PREFIX}watch_last_success_timestamp_seconds",
        "When each watch last received data, in seconds since 1970.",
        "resource",
        heard,
    )
    if others.read_at is not None:
        yield _gauge(
            f"{PREFIX}read_last_success_timestamp_seconds",
            "When certificates other than kubelets' were last read, in seconds since 1970.",
            others.read_at.timestamp(),
        )
    yield _gauge(
        f"{PREFIX}not_read",
        "Sources of certificates, other than kubelets, that could not be read.",
        others.not_read,
    )
    yield _gauge(
        f"{PREFIX}left_out",
        "Certificates left out of the metrics because there are too many.",
        others.left_out,
    )


def _coverage(kubelets: Kubelets) -> Iterator[Metric]:
    nodes, asked, failures = len(kubelets.nodes), len(kubelets.results), kubelets.failures()
    unasked = nodes - asked
    yield _gauge(f"{PREFIX}nodes", "Nodes in the cluster.", nodes)
    yield _gauge(
        f"{PREFIX}nodes_answered",
        "Nodes whose kubelet presented a certificate at its last dial.",
        asked - failures.total(),
    )
    yield _gauges(
        f"{PREFIX}nodes_unanswered",
        "Nodes whose kubelet presented no certificate, by reason. not-asked: not dialled yet, or the Node has no address.",
        "reason",
        {**dict(sorted(failures.items())), **({"not-asked": unasked} if unasked else {})},
    )


def node_pages(
    nodes: Mapping[str, Node],
    results: Mapping[str, DialledKubelet],
    issued: Mapping[str, IssuedServing],
) -> Iterator[str]:
    """Yields the metrics about each Node and its last dial, as pieces of Prometheus text."""
    found = [(name, results[name]) for name in sorted(results)]

    def family(name: str, about: str, values: Iterable[tuple[str, object]]) -> Iterator[str]:
        name = f"kubevouch_kubelet_{name}"
        lines = (
            f"{name}{{{label('node', node)}}} {value}\n"
            for node, value in values
            if value is not None
        )
        return in_pieces(heading(name, "gauge", about), lines)

    yield from family(
        "node_ready",
        "Whether the Node's condition Ready is true.",
        ((name, int(nodes[name].ready)) for name in sorted(nodes)),
    )
    yield from family(
        "dial_timestamp_seconds",
        "When the kubelet was last dialled, in seconds since 1970.",
        ((name, _seconds(each.at)) for name, each in found),
    )
    yield from family(
        "answered_timestamp_seconds",
        "When the kubelet last presented a certificate, in seconds since 1970.",
        ((name, _seconds(each.answered)) for name, each in found),
    )
    yield from family(
        "serving_issued_not_served",
        "Whether the kubelet serves an older certificate than its newest issued one.",
        (
            (name, int(not_served(each, issued[name])))
            for name, each in found
            if name in issued and each.begins is not None
        ),
    )


def _seconds(at: datetime | None) -> str | None:
    return None if at is None else f"{at.timestamp():.3f}"


def not_served(dialled: DialledKubelet, issued: IssuedServing) -> bool:
    """Whether the kubelet serves an older certificate than the issued certificate."""
    begins = dialled.begins
    return begins is not None and (
        dialled.fingerprint != issued.fingerprint and begins <= issued.begins
    )
