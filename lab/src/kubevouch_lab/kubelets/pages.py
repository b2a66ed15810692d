"""The pages about a kubelet's node: /metrics/resource, /stats/summary, /metrics. Pure.

pkg/kubelet/metrics/collectors/resource_metrics.go, pkg/kubelet/server/stats, pkg/kubelet/certificate/kubelet.go.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from kubevouch_lab.kubelets.exposition import MetricsPage
from kubevouch_lab.kubelets.pods import Running
from kubevouch_lab.kubelets.rotation import Counted
from kubevouch_lab.kubelets.usage import HOUSEKEEPING, Sample, container_load, node_load, sample
from kubevouch_lab.objects import Object

_TOTAL = 4007684 * 1024

_RESOURCE = (
    ("container_cpu_usage_seconds_total", "counter", "[STABLE] Cumulative cpu time consumed by the container in core-seconds"),
    ("container_memory_working_set_bytes", "gauge", "[STABLE] Current working set of the container in bytes"),
    ("container_start_time_seconds", "gauge", "[STABLE] Start time of the container since unix epoch in seconds"),
    ("container_swap_usage_bytes", "gauge", "[ALPHA] Current amount of the container swap usage in bytes. Reported only on non-windows systems"),
    ("node_cpu_usage_seconds_total", "counter", "[STABLE] Cumulative cpu time consumed by the node in core-seconds"),
    ("node_memory_working_set_bytes", "gauge", "[STABLE] Current working set of the node in bytes"),
    ("node_swap_usage_bytes", "gauge", "[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems"),
    ("pod_cpu_usage_seconds_total", "counter", "[STABLE] Cumulative cpu time consumed by the pod in core-seconds"),
    ("pod_memory_working_set_bytes", "gauge", "[STABLE] Current working set of the pod in bytes"),
    ("pod_swap_usage_bytes", "gauge", "[ALPHA] Current amount of the pod swap usage in bytes. Reported only on non-windows systems"),
    ("resource_scrape_error", "gauge", "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise"),
)  # fmt: skip
_CERTIFICATES = (
    ("kubelet_certificate_manager_client_expiration_renew_errors", "counter", "[ALPHA] Counter of certificate renewal errors."),
    ("kubelet_certificate_manager_client_ttl_seconds", "gauge", "[ALPHA] Gauge of the TTL (time-to-live) of the Kubelet's client certificate. The value is in seconds until certificate expiry (negative if already expired). If client certificate is invalid or unused, the value will be +INF."),
    ("kubelet_certificate_manager_server_rotation_seconds", "histogram", "[ALPHA] Histogram of the number of seconds the previous certificate lived before being rotated."),
    ("kubelet_certificate_manager_server_ttl_seconds", "gauge", "[ALPHA] Gauge of the shortest TTL (time-to-live) of the Kubelet's serving certificate. The value is in seconds until certificate expiry (negative if already expired). If serving certificate is invalid or unused, the value will be +INF."),
    ("kubelet_server_expiration_renew_errors", "counter", "[ALPHA] Counter of certificate renewal errors."),
    ("kubelet_node_name", "gauge", "[ALPHA] The node's name. The count is always 1."),
    ("kubelet_running_pods", "gauge", "[ALPHA] Number of pods that have a running pod sandbox"),
)  # fmt: skip


@dataclass(frozen=True)
class Vitals:
    """A node at one moment. started: of the machine; both Unix time."""

    name: str
    started: float
    now: float
    containers: tuple[Running, ...] = ()
    every: float = HOUSEKEEPING

    @property
    def node(self) -> Sample | None:
        """The machine as a whole."""
        return sample(self.name, node_load(self.name), self.started, self.now, self.every)

    def of(self, container: Running) -> Sample | None:
        """One container."""
        name = f"{container.namespace}/{container.pod}/{container.container}"
        return sample(name, container_load(name), container.started, self.now, self.every)

    def pods(self) -> list[tuple[Running, list[tuple[Running, Sample]]]]:
        """Each pod by its first container, and those of its containers that have a sample."""
        found: dict[tuple[str, str], list[tuple[Running, Sample]]] = {}
        for each in self.containers:
            taken = self.of(each)
            if taken is not None:
                found.setdefault((each.namespace, each.pod), []).append((each, taken))
        return [(entries[0][0], entries) for entries in found.values()]


def resource_page(vitals: Vitals) -> str:
    """The page /metrics/resource."""
    page = MetricsPage()
    for family in _RESOURCE:
        page.family(*family)
    for pod, entries in vitals.pods():
        for container, taken in entries:
            labels = {
                "container": container.container,
                "namespace": container.namespace,
                "pod": container.pod,
            }
            page.add("container_cpu_usage_seconds_total", taken.core_seconds, labels, taken.at)
            page.add("container_memory_working_set_bytes", taken.working_set, labels, taken.at)
            page.add("container_start_time_seconds", container.started, labels)
            page.add("container_swap_usage_bytes", 0, labels, taken.at)
        labels = {"namespace": pod.namespace, "pod": pod.pod}
        at, seconds, memory = _together(entries)
        page.add("pod_cpu_usage_seconds_total", seconds, labels, at)
        page.add("pod_memory_working_set_bytes", memory, labels, at)
        page.add("pod_swap_usage_bytes", 0, labels, at)
    if (node := vitals.node) is not None:
        page.add("node_cpu_usage_seconds_total", node.core_seconds, at=node.at)
        page.add("node_memory_working_set_bytes", node.working_set, at=node.at)
        page.add("node_swap_usage_bytes", 0, at=node.at)
    page.add("resource_scrape_error", 0)
    return page.text()


def summary(vitals: Vitals, *, short: bool) -> Object:
    """/stats/summary; short: with only_cpu_and_memory=true."""
    node: Object = {"nodeName": vitals.name, "startTime": _stamp(vitals.started)}
    if (taken := vitals.node) is not None:
        node |= _usage(taken.at, taken.cores, taken.core_seconds, taken.working_set)
        node["memory"]["availableBytes"] = _TOTAL - taken.working_set
    if not short:
        node["fs"] = {"capacityBytes": 42 * 1024**3, "usedBytes": 6 * 1024**3}
    pods = []
    for pod, entries in vitals.pods():
        at, seconds, memory = _together(entries)
        cores = sum(each.cores for _, each in entries)
        reference = {"name": pod.pod, "namespace": pod.namespace, "uid": pod.uid}
        containers = [
            {
                "name": each.container,
                "startTime": _stamp(each.started),
                **_usage(one.at, one.cores, one.core_seconds, one.working_set),
            }
            for each, one in entries
        ]
        pods.append(
            {
                "podRef": reference,
                "startTime": _stamp(pod.pod_started),
                "containers": containers,
                **_usage(at, cores, seconds, memory),
            }
        )
    return {"node": node, "pods": pods}


def metrics_page(
    vitals: Vitals, client: tuple[float, Counted], server: tuple[float, Counted] | None
) -> str:
    """/metrics: what it says of certificates. client, server: seconds left (inf without one), and what was counted."""
    page = MetricsPage()
    for family in _CERTIFICATES:
        page.family(*family)
    left, counted = client
    page.add("kubelet_certificate_manager_client_expiration_renew_errors", counted.failures)
    page.add("kubelet_certificate_manager_client_ttl_seconds", _whole(left))
    if server is not None:
        left, counted = server
        page.histogram("kubelet_certificate_manager_server_rotation_seconds", counted.lived)
        page.add("kubelet_certificate_manager_server_ttl_seconds", _whole(left))
        page.add("kubelet_server_expiration_renew_errors", counted.failures)
    page.add("kubelet_node_name", 1, {"node": vitals.name})
    page.add("kubelet_running_pods", len({(one.namespace, one.pod) for one in vitals.containers}))
    return page.text()


def _whole(seconds: float) -> float:
    return seconds if math.isinf(seconds) else math.floor(seconds)


def _together(entries: Iterable[tuple[Running, Sample]]) -> tuple[float, float, int]:
    taken = [one for _, one in entries]
    at = min(one.at for one in taken)
    return at, sum(one.core_seconds for one in taken), sum(one.working_set for one in taken)


def _usage(at: float, cores: float, core_seconds: float, memory: int) -> Object:
    stamp = _stamp(at)
    return {
        "cpu": {
            "time": stamp,
            "usageNanoCores": round(cores * 1e9),
            "usageCoreNanoSeconds": round(core_seconds * 1e9),
        },
        "memory": {
            "time": stamp,
            "usageBytes": memory + 4096,
            "workingSetBytes": memory,
            "rssBytes": memory * 9 // 10,
            "pageFaults": 5509,
            "majorPageFaults": 0,
        },
        "swap": {"time": stamp, "swapUsageBytes": 0},
    }


def _stamp(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
