"""The readiness, liveness and health checks of a metrics server (pkg/server/{server,health}.go, 0.9)."""

from collections.abc import Callable
from datetime import datetime

from kubevouch.clock import Clock
from kubevouch.metrics.fleet import Fleet
from kubevouch.metrics.serving.objects import go_duration
from kubevouch.metrics.store import MetricsStore
from kubevouch.serve.probes import NamedCheck, passing, shutdown_check

_MAX_ROUNDS = 1.5


_HOOKS = tuple(
    NamedCheck(f"poststarthook/{name}", passing)
    for name in ("max-in-flight-filter", "storage-object-count-tracker-hook")
)
"""What apiserver starts once it listens. Here both are there from the beginning, or not needed at all."""


def checks(
    store: MetricsStore,
    fleet: Fleet,
    clock: Clock,
    *,
    last_round: Callable[[], datetime],
    held_back: Callable[[], str],
    resolution: float,
    stopping: Callable[[], bool],
) -> dict[str, tuple[NamedCheck, ...]]:
    """The checks by page. last_round: returns the moment up to which every node was scraped. resolution: seconds.

    held_back: returns why the server must not become ready although it has metrics, "" if it may.
    """

    def since_round() -> float:
        return (clock.now() - last_round()).total_seconds()

    def timely() -> str | None:
        late = since_round() > _MAX_ROUNDS * resolution
        return "metric collection didn't finish on time" if late else None

    def log_values() -> dict[str, str]:
        seconds = {"duration": since_round(), "maxDuration": _MAX_ROUNDS * resolution}
        return {name: go_duration(int(value * 1e9)) for name, value in seconds.items()}

    def stored() -> str | None:
        if not (store.node_ready and store.pod_ready):
            return "no metrics to serve"
        return held_back() or None

    def synced() -> str | None:
        return None if fleet.synced else "cache for node informer has not synced"

    def metadata() -> str | None:
        return None if fleet.synced else "1 informers not started yet: [/v1, Resource=pods]"

    informer = NamedCheck("metadata-informer-sync", metadata)
    return {
        "readyz": (
            *_HOOKS,
            NamedCheck("metric-storage-ready", stored),
            NamedCheck("metric-informer-sync", synced),
            informer,
            shutdown_check(stopping),
        ),
        "livez": (*_HOOKS, NamedCheck("metric-collection-timely", timely, log_values), informer),
        "healthz": (*_HOOKS, informer),
    }
