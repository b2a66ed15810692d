"""The approver's Prometheus metrics: kubevouch_approver_*."""

from prometheus_client import CollectorRegistry, Gauge


class ApproverInstruments:
    """Every series that is known beforehand is there from the start, at 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.leader = Gauge(
            "kubevouch_approver_leader",
            "Whether this process leads: only then it writes.",
            registry=registry,
        )
