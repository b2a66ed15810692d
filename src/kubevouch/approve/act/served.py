"""Looks whether nodes serve what was issued for them: a kubelet that does not is dark, or will be."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from kubevouch.approve.decide.look import is_dialled_at_its_port
from kubevouch.approve.decide.served import (
    FIRST_LOOK,
    LATE,
    IssuedCertificate,
    ServedResult,
    issued_of,
    next_served_look,
    result_of,
)
from kubevouch.approve.decide.view import ClusterView
from kubevouch.clock import Clock
from kubevouch.kube.resources import CertificateSigningRequest, Node
from kubevouch.kubelet.dial_result import Target
from kubevouch.kubelet.io.dial import dial
from kubevouch.policy.csr import NODE_USER

_TICK: Final = 2.0
_AT_ONCE: Final = 32
_HANDSHAKE: Final = 5.0
_MOST: Final = 10_000


_READ_AT_ONCE: Final = 16
"""Certificates, of 0.2 ms each, before others have their turn: a crowd that was approved at once is due at once."""


@dataclass(slots=True)
class _Look:
    csr: CertificateSigningRequest
    since: float
    due: float
    late: bool = False
    issued: IssuedCertificate | None = None
    """Read when it is first due: while a crowd waits, its approvals come first."""


class ServedWatch:
    """checked: called with the last result for a certificate: when it is served, and once when it is not in time."""

    def __init__(
        self,
        clock: Clock,
        view: ClusterView,
        *,
        looks: Callable[[], bool],
        checked: Callable[[IssuedCertificate, ServedResult], None],
    ) -> None:
        self._clock = clock
        self._view = view
        self._looks = looks
        self._checked = checked
        self._by_node: dict[str, _Look] = {}
        self._not_served: set[str] = set()

    @property
    def mismatches(self) -> int:
        """How many nodes do not serve what was issued for them two minutes ago or earlier."""
        return len(self._not_served & self._by_node.keys())

    def put(self, csr: CertificateSigningRequest) -> None:
        """A CSR that we approved, as it is now. The newest certificate of a node is looked for."""
        node = csr.spec.username.removeprefix(NODE_USER)
        known = self._by_node.get(node)
        if known is not None and known.csr.uid == csr.uid:
            return
        if not csr.status.certificate or len(self._by_node) >= _MOST:
            return
        now = self._clock.monotonic()
        self._by_node[node] = _Look(csr, now, now + FIRST_LOOK)
        self._not_served.discard(node)

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await self._clock.sleep(_TICK)
            now = self._clock.monotonic()
            due = {name: each for name, each in self._by_node.items() if each.due <= now}
            if due and self._looks():
                await self._look(due)

    async def _look(self, due: dict[str, _Look]) -> None:
        targets = []
        issued: dict[str, IssuedCertificate] = {}
        async for name, found in self._readable(due):
            node = self._view.nodes.get(name)
            if node is None:
                del self._by_node[name]
            elif not self._may_dial(node, found):
                self._judge(name, due[name], found, ServedResult.UNREACHABLE)
            else:
                issued[name] = found
                targets.append(Target(found.address, node=name, port=node.kubelet_port))
        answers = dial(targets, clock=self._clock, concurrency=_AT_ONCE, timeout=_HANDSHAKE)
        async with contextlib.aclosing(answers):
            async for answer in answers:
                name = answer.target.node
                if self._by_node.get(name) is due[name]:
                    result = result_of(issued[name], answer)
                    self._judge(name, due[name], issued[name], result)

    async def _readable(
        self, due: dict[str, _Look]
    ) -> AsyncIterator[tuple[str, IssuedCertificate]]:
        """What was issued for each of these nodes. Nothing is looked for that cannot be read, or has no address."""
        for number, (name, each) in enumerate(due.items(), 1):
            if number % _READ_AT_ONCE == 0:
                await self._clock.sleep(0)
            if self._by_node.get(name) is not each:
                continue  # a newer one has come meanwhile
            each.issued = each.issued or issued_of(each.csr, name)
            if each.issued is None:
                del self._by_node[name]
            else:
                yield name, each.issued

    def _may_dial(self, node: Node, issued: IssuedCertificate) -> bool:
        """Whether it is known that a kubelet listens at the port that the node names: a node must not choose what we dial."""
        reserved = self._view.reserved(self._clock.monotonic())
        return reserved is not None and is_dialled_at_its_port(
            node, [ip_address(issued.address)], reserved
        )

    def _judge(
        self, name: str, look: _Look, issued: IssuedCertificate, result: ServedResult
    ) -> None:
        now = self._clock.monotonic()
        age = now - look.since
        if result is ServedResult.SERVED:
            del self._by_node[name]
            self._not_served.discard(name)
            self._checked(issued, result)
            return
        if age >= LATE and not look.late:
            look.late = True
            self._checked(issued, result)
        if age >= LATE and result is ServedResult.NOT_SERVED:
            self._not_served.add(name)
        again = next_served_look(age)
        if again is None:
            del self._by_node[name]
            self._not_served.discard(name)
        else:
            look.due = now + again
