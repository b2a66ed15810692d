"""Dials every kubelet in turn, and keeps a few hundred bytes of metrics about its last certificate."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from kubevouch.clock import Clock
from kubevouch.evidence.gather.certificates.kubelets import presented_by_kubelet
from kubevouch.evidence.serving import (
    ADDRESS_TYPES_OF_MANIFESTS,
    judge_served,
    scraped_address,
)
from kubevouch.evidence.snapshot import TrustedRoots
from kubevouch.inventory.act.dial_plan import DialPlan
from kubevouch.inventory.metrics import Series, place_label, series_of
from kubevouch.inventory.rows import row_of
from kubevouch.kube.resources import Node
from kubevouch.kubelet.dial_result import DialResult, Target
from kubevouch.kubelet.io.dial import dial

_TICK: Final = 1.0
AT_ONCE: Final = 64
_SOON: Final = 10.0
"""Seconds from a kubelet's CSR, or from its new certificate, to the next dial. The kubelet may need this time to serve the certificate."""


@dataclass(frozen=True, slots=True)
class DialledKubelet:
    """The result of a node's last dial.

    failure: the FailureKind if the kubelet presented no certificate, else "".
    answered: when the kubelet last presented a certificate, or None.
    """

    at: datetime
    failure: str
    answered: datetime | None
    series: Series
    fingerprint: str = ""
    begins: datetime | None = None


@dataclass(eq=False)
class Kubelets:
    """All Nodes, and the certificates that their kubelets serve.

    timeout: seconds for a handshake. dialled: called after each dial with the FailureKind, or "" if
    it succeeded.
    """

    clock: Clock
    interval: float
    timeout: float
    dialled: Callable[[str], None] = lambda _: None
    nodes: dict[str, Node] = field(default_factory=dict)
    results: dict[str, DialledKubelet] = field(default_factory=dict)
    """The last result of each dialled Node."""
    _roots: TrustedRoots | None = None

    def __post_init__(self) -> None:
        self.plan = DialPlan(self.clock, self.interval)
        self._turned = self.clock.monotonic()

    @property
    def silent(self) -> float:
        """Seconds since the dialling loop last made progress."""
        return self.clock.monotonic() - self._turned

    def failures(self) -> Counter[str]:
        """The number of Nodes that presented no certificate at their last dial, by reason."""
        return Counter(each.failure for each in self.results.values() if each.failure)

    def series(self) -> Iterator[Series]:
        """The Prometheus series of all results, sorted by node name."""
        return (self.results[name].series for name in sorted(self.results))

    def put(self, node: Node) -> None:
        """Adds or updates a Node."""
        before = self.nodes.get(node.name)
        self.nodes[node.name] = node
        address = scraped_address(node, ADDRESS_TYPES_OF_MANIFESTS)
        if before is not None and before.uid != node.uid:
            self._forget(node.name)
        if address is None:
            self._forget(node.name)
            return
        changed = before is not None and before.status.addresses != node.status.addresses
        self.plan.put(Target(address, node=node.name, port=node.kubelet_port), now=changed)

    def remove(self, name: str) -> None:
        """Removes a Node and its result."""
        self.nodes.pop(name, None)
        self._forget(name)

    def _forget(self, name: str) -> None:
        self.plan.remove(name)
        self.results.pop(name, None)

    def dial_soon(self, name: str) -> None:
        """Requests a dial in 10 s: the kubelet has made a CSR, or got a new certificate."""
        self.plan.hurry(name, _SOON)

    def trust(self, roots: TrustedRoots) -> None:
        """Sets the CAs. If they have changed, every kubelet is dialled and verified again."""
        before, self._roots = self._roots, roots
        if before is None or before.sha256 != roots.sha256:
            self.plan.hurry_all()

    async def run(self) -> None:
        """Dials until cancelled."""
        while True:
            self._turned = self.clock.monotonic()
            answers = dial(self.plan, clock=self.clock, concurrency=AT_ONCE, timeout=self.timeout)
            async with contextlib.aclosing(answers):
                async for answer in answers:
                    self._turned = self.clock.monotonic()
                    self._take(answer)
            await self.clock.sleep(_TICK)

    def _take(self, answer: DialResult) -> None:
        name = answer.target.node
        failure = str(answer.failure.kind) if answer.failure else ""
        self.dialled(failure)
        if not self.plan.done(answer.target, failed=bool(failure)):
            return
        served = judge_served(answer, self._roots, self.clock)
        row = row_of(presented_by_kubelet(served), self.clock.now())
        leaf, before = answer.leaf, self.results.get(name)
        answered = answer.at if leaf else before.answered if before else None
        self.results[name] = DialledKubelet(
            answer.at,
            failure,
            answered,
            series_of(row, place_label(str(answer.target))),
            leaf.fingerprint if leaf else "",
            leaf.not_before if leaf else None,
        )
