"""A fleet whose usage is known: two points of everything, laid into the real store."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from kubevouch.metrics.columns import Owner, PodKey, Point
from kubevouch.metrics.fleet import Fleet, FleetNode, RunningPod, RunningPods
from kubevouch.metrics.pages import Measurement, Page, columns_of
from kubevouch.metrics.store import MetricsStore
from tests.support.clocks import WoundClock

AT = datetime(2026, 11, 24, 23, 3, 0, 456_000, tzinfo=UTC)
WINDOW_NS = 15_023_000_000


def fixed_fleet(
    nodes: Mapping[str, FleetNode] | None = None,
    pods: RunningPods | None = None,
    *,
    synced: bool = True,
) -> Fleet:
    """Nodes and pods that the API server would have."""
    return Fleet(dict(nodes or {}), pods if pods is not None else RunningPods(), synced=synced)


def node(name: str, **labels: str) -> FleetNode:
    return FleetNode(name, labels, "127.0.0.1", 10250, "/metrics/resource", ready=True)


def pod(namespace: str, name: str, **labels: str) -> RunningPod:
    return RunningPod(namespace, name, labels, node="")


def metered(
    nodes: Mapping[str, tuple[int, int]],
    pods: Mapping[str, Mapping[PodKey, Mapping[str, tuple[int, int]]]] | None = None,
) -> MetricsStore:
    """Usage as (nanocores, bytes): of nodes, and of pods' containers by node. One window ends at AT."""
    home = {key: node for node, inside in (pods or {}).items() for key in inside}
    store = MetricsStore(
        timedelta(seconds=15), clock=WoundClock(AT), node_of=lambda key: home.get(key, "")
    )
    for moment, share in ((_ns(AT) - WINDOW_NS, 0), (_ns(AT), 1)):
        for name, used in nodes.items():
            inside: dict[Owner, Measurement] = {
                (key, container): _measured(_point(moment, share, *u))
                for key, containers in ((pods or {}).get(name) or {}).items()
                for container, u in containers.items()
            }
            store.record(name, Page(_point(moment, share, *used), columns_of(inside)))
    return store


def _point(at_ns: int, share: int, nanocores: int, memory: int) -> Point:
    # Rounded up, so that the rate, which Go and we cut, is the very number.
    used = -(-nanocores * WINDOW_NS // 10**9) * share
    return Point(at_ns, 10**12 + used, memory, 0)


def _measured(point: Point) -> Measurement:
    # A page has core-seconds: half a nanosecond more, so that they are cut to the very number.
    return (point.cpu_ns + 0.5) / 1e9, float(point.memory), point.at_ns, point.start_ns


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000
