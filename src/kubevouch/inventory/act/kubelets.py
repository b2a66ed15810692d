"""Dials every kubelet in turn, and keeps what each served last as series: some hundred bytes of each, no certificates."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
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
from kubevouch.inventory.kubelet_names import addresses_missing
from kubevouch.inventory.metrics import Series, place_label, series_of
from kubevouch.inventory.rows import row_of
from kubevouch.kube.resources import Node
from kubevouch.kubelet.dial_result import DialResult, Target
from kubevouch.kubelet.io.dial import dial

_TICK: Final = 1.0
AT_ONCE: Final = 64
_SOON: Final = 10.0
"""Seconds after which a kubelet serves what was issued to it. However many CSRs it makes, it is dialled no more often."""


@dataclass(frozen=True, slots=True)
class DialledKubelet:
    """What became of the last dial of a node. failure: why it presented no certificate, in one word; "" if it did.

    answered: when it presented one last; None if it never has. missing: how many of the Node's names and addresses its
    certificate lacks; None without one.
    """

    at: datetime
    failure: str
    answered: datetime | None
    series: Series
    fingerprint: str = ""
    begins: datetime | None = None
    missing: int | None = None


class Kubelets:
    """Every Node, and what its kubelet serves. timeout: seconds for a handshake. dialled: called with each result's word."""

    def __init__(
        self,
        clock: Clock,
        *,
        interval: float,
        timeout: float,
        dialled: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._timeout = timeout
        self._dialled = dialled
        self._plan = DialPlan(clock, interval)
        self._nodes: dict[str, Node] = {}
        self._results: dict[str, DialledKubelet] = {}
        self._roots: TrustedRoots | None = None
        self._turned = clock.monotonic()

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Every Node, by name."""
        return self._nodes

    @property
    def results(self) -> Mapping[str, DialledKubelet]:
        """What became of the last dial of each Node that was dialled."""
        return self._results

    @property
    def unasked(self) -> int:
        """How many Nodes that have an address were not dialled yet."""
        return self._plan.unasked

    @property
    def late(self) -> float:
        """For how many seconds one is due that is not dialled."""
        return self._plan.late

    @property
    def silent(self) -> float:
        """Seconds since this last had a turn."""
        return self._clock.monotonic() - self._turned

    def failures(self) -> Counter[str]:
        """How many Nodes presented no certificate when they were dialled last, by the reason."""
        return Counter(each.failure for each in self._results.values() if each.failure)

    def series(self) -> Iterator[Series]:
        """The series of every row, by the names of the nodes."""
        return (self._results[name].series for name in sorted(self._results))

    def put(self, node: Node) -> None:
        """A Node is new or has changed."""
        before = self._nodes.get(node.name)
        self._nodes[node.name] = node
        address = scraped_address(node, ADDRESS_TYPES_OF_MANIFESTS)
        if before is not None and before.uid != node.uid:
            self._forget(node.name)
        if address is None:
            self._forget(node.name)
            return
        changed = before is not None and before.status.addresses != node.status.addresses
        self._plan.put(Target(address, node=node.name, port=node.kubelet_port), now=changed)

    def remove(self, name: str) -> None:
        """A Node is gone: nothing is left of it."""
        self._nodes.pop(name, None)
        self._forget(name)

    def _forget(self, name: str) -> None:
        self._plan.remove(name)
        self._results.pop(name, None)

    def dial_soon(self, name: str) -> None:
        """This node has asked for a certificate, or was issued one, which it will serve soon."""
        self._plan.hurry(name, _SOON)

    def trust(self, roots: TrustedRoots | None) -> None:
        """The authorities as they are now. Where they are others, every kubelet is judged anew."""
        before, self._roots = self._roots, roots
        if roots is not None and (before is None or before.sha256 != roots.sha256):
            self._plan.hurry_all()

    async def run(self) -> None:
        """Dials until cancelled."""
        while True:
            self._turned = self._clock.monotonic()
            answers = dial(
                self._plan, clock=self._clock, concurrency=AT_ONCE, timeout=self._timeout
            )
            async with contextlib.aclosing(answers):
                async for answer in answers:
                    self._turned = self._clock.monotonic()
                    self._take(answer)
            await self._clock.sleep(_TICK)

    def _take(self, answer: DialResult) -> None:
        name = answer.target.node
        failure = str(answer.failure.kind) if answer.failure else ""
        self._dialled(failure)
        if not self._plan.done(answer.target, failed=bool(failure)):
            return
        served = judge_served(answer, self._roots, self._clock)
        row = row_of(presented_by_kubelet(served), self._clock.now())
        leaf, before = answer.leaf, self._results.get(name)
        answered = answer.at if leaf else before.answered if before else None
        self._results[name] = DialledKubelet(
            answer.at,
            failure,
            answered,
            series_of(row, place_label(str(answer.target))),
            leaf.fingerprint if leaf else "",
            leaf.not_before if leaf else None,
            len(addresses_missing(leaf, self._nodes[name])) if leaf else None,
        )
