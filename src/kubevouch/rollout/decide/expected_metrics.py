"""Which nodes must show a fresh sample in the metrics API after their change: judged before the first write. Pure.

Where metrics do not come for a reason that no certificate mends (a right that the metrics server lacks, a port that it cannot
reach), a run must not put good nodes back for it: of such a node no more is asked than there was before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from kubevouch.evidence.snapshot import MetricsPath

_NOBODY = "no metrics server runs, or it is not ready before it has read several nodes"
_OF_CERTIFICATES = ("x509", "tls", "certificate")
_LONGEST = 160
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class ExpectedMetrics:
    """What is expected of the metrics API.

    nobody: why no node is asked for metrics. broken: why they do not come, certificates aside; ill: why those of one node do
    not. measured: the nodes that had a sample before the run.
    """

    nobody: str = ""
    broken: str = ""
    ill: Mapping[str, str] = field(default_factory=lambda: _NONE)
    measured: frozenset[str] = frozenset()

    def why_not(self, node: str) -> str:
        """Why this node need not show a fresh sample; empty if it must."""
        if self.nobody:
            return self.nobody
        why = self.broken or self.ill.get(node, "")
        return f"{why}, and it had no sample before" if why and node not in self.measured else ""

    def said(self) -> tuple[str, ...]:
        """What a person should know of it before the run."""
        rule = "fresh metrics are asked only of nodes that have some now"
        if self.nobody:
            return ()
        if self.broken:
            return (f"{self.broken}: {rule} (`kubevouch doctor` says more)",)
        ill = {node: why for node, why in self.ill.items() if node not in self.measured}
        return tuple(f"{node}: {why}: {rule}" for node, why in sorted(ill.items())[:3])


def expected_metrics(metrics: MetricsPath) -> ExpectedMetrics:
    """What can be expected of the metrics API once a node's certificate is good."""
    if not _are_to_come(metrics):
        return ExpectedMetrics(nobody=_NOBODY)
    measured = metrics.measured_nodes or frozenset()
    denials = metrics.denials.or_else(())
    broken = ""
    if denials:
        broken = f"the metrics server lacks a right ({denials[0].user} may not {denials[0].what})"
    ill = {
        each.node: f"the metrics server says of it: {_plain(each.text)}"
        for each in metrics.failures.or_else(())
        if not any(word in each.text.lower() for word in _OF_CERTIFICATES)
    }
    return ExpectedMetrics(broken=broken, ill=ill, measured=measured)


def _are_to_come(metrics: MetricsPath) -> bool:
    """Whether the metrics API will have a node that is well, also while others are not."""
    if metrics.api_service.value is None or metrics.waits_for_several_nodes:
        return False
    available = metrics.available
    running = any(pod.status.phase == "Running" for pod in metrics.pods.or_else(()))
    return running or (available is not None and available.true)


def _plain(text: str) -> str:
    shown = "".join(char if char.isprintable() else " " for char in text).strip()
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 3] + "..."
