"""The approver's Prometheus metrics: kubevouch_approver_*."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, Histogram

from kubevouch.outcome import Outcome
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.sources.configuration import IdentitySource
from kubevouch.serve.counters import ServerCounters

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_PREFIX: Final = "kubevouch_approver_"
NODE_NOT_READ: Final = "NodeNotRead"
"""The `reason` label if the Node could not be read, or an exception prevented the decision."""

NOT_WRITTEN: Final = "NotWritten"
"""The `reason` label if the API server did not accept the decision."""


_MEASURED: Final = {
    "pending": "Pending serving CSRs, except those replaced by a newer one.",
    "oldest_pending_age_seconds": "Age of the oldest pending CSR; 0 if nothing is pending.",
    "queue_depth": "CSRs that are due for a decision or being decided.",
    "source_problems": "The approver's ConfigMaps that are unreadable, in whole or in part.",
    "clock_ahead_seconds": "How far this machine's clock is ahead of the API server's (a lower bound); negative if behind.",
    "last_gap_timestamp_seconds": "When we last noticed that we may have missed CSRs for client certificates; 0 if never.",
    "tasks": "Tasks in the event loop, like go_goroutines.",
    "synced": "Whether all data for decisions has been read.",
}
"""Help texts of the gauges that have callbacks, by name without the prefix."""


class ApproverInstruments(ServerCounters):
    """The approver's metrics. Every label set that is known in advance starts at 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry, _PREFIX)
        self.leader = Gauge(
            f"{_PREFIX}leader",
            "Whether this process is the leader.",
            registry=registry,
        )
        labels = ("outcome", "reason", "source")
        self.decisions = self.counter("decisions", "Decisions about CSRs, by outcome.", *labels)
        self.decision_duration = Histogram(
            f"{_PREFIX}decision_duration_seconds",
            "Time from the start of a decision to the API server's answer.",
            buckets=_BUCKETS,
            registry=registry,
        )
        about = "CSRs that other clients approved, by our policy's outcome."
        self.others_approved = self.counter("others_approved", about, "verdict")
        self.watch_lag = Histogram(
            f"{_PREFIX}watch_lag_seconds",
            "Time from a CSR's creationTimestamp to its watch event.",
            buckets=(1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 840.0),
            registry=registry,
        )
        self._preset()

    def _preset(self) -> None:
        for source in set(IdentitySource) - {IdentitySource.ALLOW}:
            self.decisions.labels(Outcome.PASS, HoldReason.PASSES, source)
            for outcome in (Outcome.REFUSE, Outcome.CANNOT_TELL):
                for reason in HoldReason:
                    if reason not in {HoldReason.PASSES, HoldReason.NOT_ASKED}:
                        self.decisions.labels(outcome, reason, source)
        for failed in (NODE_NOT_READ, NOT_WRITTEN):
            self.decisions.labels(Outcome.CANNOT_TELL, failed, IdentitySource.NONE)
        for verdict in Outcome:
            self.others_approved.labels(verdict)

    def measure(self, **gauges: Callable[[], float]) -> None:
        """Registers a gauge for each callback. The keyword is the gauge's name in _MEASURED."""
        for name, value in gauges.items():
            gauge = Gauge(f"{_PREFIX}{name}", _MEASURED[name], registry=self.registry)
            gauge.set_function(value)
