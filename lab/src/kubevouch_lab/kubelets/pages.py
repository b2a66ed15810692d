"""The page about what a node uses: /metrics/resource. Pure.

pkg/kubelet/metrics/collectors/resource_metrics.go.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kubevouch_lab.kubelets.pods import Running
from kubevouch_lab.kubelets.usage import HOUSEKEEPING, Sample, container_load, node_load, sample

_NONE: Mapping[str, str] = MappingProxyType({})
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
    """The page /metrics/resource, in Prometheus' text form as component-base prints it."""
    samples: dict[str, list[str]] = {name: [] for name, _, _ in _RESOURCE}

    def add(name: str, value: float, at: float | None, labels: Mapping[str, str] = _NONE) -> None:
        """at: Unix time in seconds."""
        shown = ",".join(f'{key}="{_escaped(each)}"' for key, each in sorted(labels.items()))
        where = f"{name}{{{shown}}}" if shown else name
        stamp = "" if at is None else f" {round(at * 1000)}"
        samples[name].append(f"{where} {value!r}{stamp}\n")

    for pod, entries in vitals.pods():
        labels = {"namespace": pod.namespace, "pod": pod.pod}
        for container, taken in entries:
            own = {**labels, "container": container.container}
            add("container_cpu_usage_seconds_total", taken.core_seconds, taken.at, own)
            add("container_memory_working_set_bytes", taken.working_set, taken.at, own)
            add("container_start_time_seconds", container.started, None, own)
            add("container_swap_usage_bytes", 0, taken.at, own)
        at, seconds, memory = _together(entries)
        add("pod_cpu_usage_seconds_total", seconds, at, labels)
        add("pod_memory_working_set_bytes", memory, at, labels)
        add("pod_swap_usage_bytes", 0, at, labels)
    if (node := vitals.node) is not None:
        add("node_cpu_usage_seconds_total", node.core_seconds, node.at)
        add("node_memory_working_set_bytes", node.working_set, node.at)
        add("node_swap_usage_bytes", 0, node.at)
    add("resource_scrape_error", 0, None)
    return "".join(
        "".join((f"# HELP {name} {text}\n# TYPE {name} {kind}\n", *samples[name]))
        for name, kind, text in _RESOURCE
        if samples[name]
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _together(entries: Iterable[tuple[Running, Sample]]) -> tuple[float, float, int]:
    taken = [one for _, one in entries]
    at = min(one.at for one in taken)
    return at, sum(one.core_seconds for one in taken), sum(one.working_set for one in taken)
