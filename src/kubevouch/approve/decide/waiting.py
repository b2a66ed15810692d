"""The serving CSRs that nobody has decided about, and which of them a change concerns."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from kubevouch.kube.resources import CertificateSigningRequest, Node
from kubevouch.policy.claims import as_address
from kubevouch.policy.csr import Csr, asked_of, requestor_node
from kubevouch.policy.written import Value
from kubevouch.x509 import unmapped

K = TypeVar("K")
_ASKS_AGAIN = timedelta(minutes=20)
"""A kubelet waits 15 minutes for its CSR (client-go util/certificate/certificate_manager.go)."""


@dataclass(slots=True, eq=False)
class WaitingCsr:
    """One of them. `found` is as the watch, or the answer to our own write, showed it last."""

    found: CertificateSigningRequest
    csr: Csr
    first_uid: str = ""
    """UID of the requestor's Node when it was first read for this CSR; "" if it was not read yet, or there was none.

    Not by the watch of Nodes: it may be behind that of CSRs, and show the Node that was there before.
    """

    failures: int = 0
    """Looks in a row that could not tell."""

    held_for: str = ""
    """Why it was not approved at the last look; "" if there was none."""

    over: bool = False
    """Whether it can never pass any more."""

    writing: str = ""
    """The message of the condition that this process wrote last, or is writing; "" if there was none."""

    superseded: bool = False
    """Whether its kubelet has asked again since."""

    @property
    def name(self) -> str:
        """The name of the CSR."""
        return self.found.name

    @property
    def node(self) -> str | None:
        """The node that asks."""
        return requestor_node(self.csr)

    def is_ours(self, found: CertificateSigningRequest) -> bool:
        """Whether this process has decided it so. The watch may show that before the answer to the write comes."""
        return bool(self.writing) and any(
            each.message == self.writing for each in found.status.conditions
        )


class WaitingCsrs:
    """All of them, by name, by the node that asks, and by what they ask for."""

    def __init__(self) -> None:
        self._by_name: dict[str, WaitingCsr] = {}
        self._by_node: dict[str, set[str]] = {}
        self._by_value: dict[Value, set[str]] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    def __iter__(self) -> Iterator[WaitingCsr]:
        return iter(self._by_name.values())

    def get(self, name: str) -> WaitingCsr | None:
        """The CSR of this name."""
        return self._by_name.get(name)

    def add(self, waiting: WaitingCsr) -> None:
        """It waits from now on."""
        self._by_name[waiting.name] = waiting
        self._by_node.setdefault(waiting.node or "", set()).add(waiting.name)
        for value in _asked_values(waiting.csr):
            self._by_value.setdefault(value, set()).add(waiting.name)

    def remove(self, name: str) -> WaitingCsr | None:
        """It waits no more. Returns what was known of it."""
        waiting = self._by_name.pop(name, None)
        if waiting is not None:
            _take_out(self._by_node, waiting.node or "", name)
            for value in _asked_values(waiting.csr):
                _take_out(self._by_value, value, name)
        return waiting

    def of_node(self, node: str) -> Collection[str]:
        """The names of those that this node asks for."""
        return tuple(self._by_node.get(node, ()))

    def asking_for(self, values: Iterable[Value]) -> set[str]:
        """The names of those that ask for one of these names and addresses."""
        return {name for value in values for name in self._by_value.get(value, ())}

    def touched_by(self, *nodes: Node | None) -> set[str]:
        """The names of those that a change of a Node concerns: its own, and those that ask for what it has or had."""
        found: set[str] = set()
        for node in filter(None, nodes):
            found |= self._by_node.get(node.name, set())
            for text in (node.name, *(each.address for each in node.status.addresses)):
                address = as_address(text)
                value = text.lower() if address is None else address
                found |= self._by_value.get(value, set())
        return found

    def unresolved(self, at: datetime) -> list[timedelta]:
        """The ages of those that an operator should hear of.

        One that can never pass counts for a while: its kubelet asks again a minute later, or is not there any more.
        """
        ages = [
            (at - each.csr.created, each)
            for each in self
            if each.csr.created is not None and not each.superseded
        ]
        return [age for age, each in ages if not each.over or age < _ASKS_AGAIN]


def _asked_values(csr: Csr) -> set[Value]:
    asked = asked_of(csr)
    if asked is None:
        return set()
    return {*(name.lower() for name in asked.names), *map(unmapped, asked.addresses)}


def _take_out(index: dict[K, set[str]], key: K, name: str) -> None:
    names = index.get(key)
    if names is not None:
        names.discard(name)
        if not names:
            del index[key]
