"""The approver that this product installs: whether it decides, and why not."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kubevouch.evidence.measured import Doubt

NAMESPACE: Final = "kubevouch-system"
NAME: Final = "kubevouch-approver"
"""Of its Deployment, its account, its Lease and its configuration."""

CONFIGURATION_KEY: Final = "configuration.yaml"
PART_OF: Final = "app.kubernetes.io/part-of"
"""The label of everything that is ours in a cluster; its value is "kubevouch"."""

_LATELY: Final = timedelta(minutes=1)
"""Whoever leads renews the Lease every two seconds, and after 15 another one may take it: one of its pods, if it has any."""

_RUNS_OUT: Final = timedelta(seconds=15)
"""Without pods there is nobody who would take it then."""

_TAKEN_WITHIN: Final = timedelta(seconds=10)
"""A Lease that was given back is taken within two seconds by a pod that is ready, and asks every two."""


@dataclass(frozen=True, slots=True)
class OurApprover:
    """What its Deployment and its Lease show. One that leads without any pod was started by hand.

    leader: who holds the Lease; "" for nobody. silent: since when nobody has renewed it; None if there is no Lease.
    configuration: the text of its configuration; None if it has none, or if the doubt says why that is not known.
    orphaned: its Deployment is gone and its pods run on, as `kubectl delete deployment --cascade=orphan` leaves them with their
    ReplicaSet; they decide as before.
    """

    wanted: int
    ready: int
    leader: str
    silent: timedelta | None
    configuration: str | None = None
    configuration_doubt: Doubt | None = None
    orphaned: bool = False

    @property
    def decides(self) -> bool:
        """Whether one process leads, or takes over this moment. Only who leads decides, however many pods are ready."""
        if self.silent is None:
            return False
        if not self.leader:  # who ended in good order has given the Lease back
            return self.ready > 0 and self.silent < _TAKEN_WITHIN
        if self.wanted or self.ready:
            return self.silent < _LATELY
        # A pod that was deleted with its Deployment leaves the Lease behind as it was.
        return not self.led_by_its_pod and self.silent < _RUNS_OUT

    @property
    def led_by_its_pod(self) -> bool:
        """Whether the Lease names a pod of its Deployment. A process calls itself by its host, which for a pod is the pod's name."""
        return self.leader.startswith(f"{NAME}-")

    @property
    def why_not(self) -> str:
        """Why it decides nothing; empty if it does."""
        if self.decides:
            return ""
        if not self.wanted and not self.orphaned:
            return "its Deployment is scaled to nothing"
        if not self.ready:
            pods = "its pod is not" if self.wanted == 1 else f"none of its {self.wanted} pods is"
            return f"{pods} ready"
        if self.silent is None:
            return "its pods are ready, and none has ever led"
        if not self.leader:
            return "its pods are ready, and none leads"
        return f"its pods are ready, and none leads: the Lease was renewed {ago(self.silent)}"


def ago(passed: timedelta) -> str:
    """How long ago something was, in words: "94 s ago"."""
    seconds = max(passed.total_seconds(), 0)
    return f"{seconds:.0f} s ago" if seconds < 120 else f"{seconds / 60:.0f} min ago"
