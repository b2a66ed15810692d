"""NodeMetrics and PodMetrics as JSON (k8s.io/metrics v1beta1/types.go), in metrics-server's forms."""

import functools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from kubevouch.metrics.store import NodeUsage, PodUsage
from kubevouch.quantity import format_bytes, format_nanocores

Object = dict[str, Any]

GROUP: Final = "metrics.k8s.io"
VERSION: Final = "v1beta1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
_SECOND: Final = 10**9


def node_metrics(name: str, labels: Mapping[str, str], used: NodeUsage, now: str) -> Object:
    """A NodeMetrics as an item of a list. now: the time of the response, which becomes creationTimestamp."""
    return {
        "metadata": _metadata(name, "", labels, now),
        "timestamp": _seconds(used.timestamp_ns // _SECOND),
        "window": go_duration(used.window_ns),
        "usage": _usage(used.cpu_nanocores, used.memory_bytes),
    }


def pod_metrics(labels: Mapping[str, str], used: PodUsage, now: str) -> Object:
    """A PodMetrics as an item of a list. now: as in node_metrics."""
    at = used.timestamp_ns
    return {
        "metadata": _metadata(used.name, used.namespace, labels, now),
        "timestamp": None if at is None else _seconds(at // _SECOND),
        "window": go_duration(used.window_ns),
        "containers": [
            {"name": each.name, "usage": _usage(each.cpu_nanocores, each.memory_bytes)}
            for each in used.containers
        ],
    }


def with_kind(kind: str, item: Object) -> Object:
    """A list's item as an object of its own, with kind and apiVersion."""
    return {"kind": kind, "apiVersion": API_VERSION, **item}


def list_object(kind: str, items: list[Object]) -> Object:
    """A list of items. It has no resourceVersion, since nothing here can be watched."""
    return {"kind": f"{kind}List", "apiVersion": API_VERSION, "metadata": {}, "items": items}


def _metadata(name: str, namespace: str, labels: Mapping[str, str], now: str) -> Object:
    found: Object = {"name": name}
    if namespace:
        found["namespace"] = namespace
    found["creationTimestamp"] = now
    if labels:
        # In the order of names, as from the API server.
        found["labels"] = labels
    return found


def _usage(cpu: int, memory: int) -> dict[str, str]:
    return {"cpu": format_nanocores(cpu), "memory": format_bytes(memory)}


def rfc3339(moment: datetime) -> str:
    """A moment as metav1.Time: whole seconds in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


@functools.lru_cache(maxsize=4096)
def _seconds(since_1970: int) -> str:
    return rfc3339(datetime.fromtimestamp(since_1970, UTC))


@functools.lru_cache(maxsize=4096)
def go_duration(ns: int) -> str:
    """A duration as Go's Duration.String writes it: 15.023s, 1m0s, 850ms, 0s."""
    if ns < 0:
        return f"-{go_duration(-ns)}"
    if ns < 10**9:
        for size, unit in ((10**6, "ms"), (10**3, "µs"), (1, "ns")):
            if ns >= size:
                return f"{_fraction(ns, size)}{unit}"
        return "0s"
    minutes, rest = divmod(ns, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_fraction(rest, 10**9)}s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _fraction(ns: int, unit: int) -> str:
    number, rest = divmod(ns, unit)
    digits = str(unit + rest)[1:].rstrip("0")
    return f"{number}.{digits}" if digits else str(number)
