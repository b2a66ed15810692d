"""The serving CSRs that nobody has decided about: the newest of each requestor, and which of them a change concerns.

Memory is bounded by who may ask, not by how often anybody asks. An older CSR of the same credential is not kept: its kubelet
has dropped the key. It stays so when the newer one is deleted, since a kubelet whose CSR is gone asks again
(client-go util/certificate/csr/csr.go, WaitForCertificate).
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from kubevouch.kube.resources import CertificateSigningRequest, Node
from kubevouch.policy.claims import AskedNames, as_address
from kubevouch.policy.credentials import MOST
from kubevouch.policy.csr import CREDENTIAL_ID, NODE_USER, Csr, asked_of, certificate_id
from kubevouch.policy.node_index import Value
from kubevouch.x509 import unmapped

Requestor = tuple[str, tuple[str, ...]]
"""The username, and the ids of the credential that made a CSR.

Of each credential, and not of each user: whoever borrowed a node's identity with a bootstrap token could otherwise make
every CSR of its kubelet an old one.
"""

MOST_CREDENTIALS: Final = MOST + 1
"""Of a username: as many as can be borrowed before its node is held altogether, and the kubelet's own.

One that the record of client certificates allows never loses its place to one that it does not.
"""

MOST_STRANGERS: Final = 500
"""Usernames of no Node, the newest. With a bootstrap token anybody can ask in any number of names."""

_ASKS_AGAIN = timedelta(minutes=20)
"""A kubelet waits 15 minutes for its CSR (client-go util/certificate/certificate_manager.go)."""

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True, eq=False)
class WaitingCsr:
    """One of them. `found` is as the watch, or the answer to our own write, showed it last, without its request."""

    found: CertificateSigningRequest
    request: bytes = b""
    """What it asks for, as it was sent, until its first turn."""

    csr: Csr | None = None
    """As it was read in its first turn, without its text."""

    values: frozenset[Value] = frozenset()
    """The names and addresses that it asks for."""

    first_uid: str = ""
    """UID of the requestor's Node when it was first read for this CSR; "" if it was not read yet, or there was none.

    Not by the watch of Nodes: it may be behind that of CSRs, and show the Node that was there before.
    """

    failures: int = 0
    """Looks in a row that could not tell."""

    held_for: str = ""
    """Why it was not approved at the last look, as the log has it; "" if there was none."""

    over: bool = False
    """Whether it can never pass any more."""

    asks_again: bool = False
    """Whether its requestor had another one that waited."""

    def keep(self, csr: Csr) -> None:
        """It was read."""
        self.csr, self.request = msgspec.structs.replace(csr, pem=b"", dropped=csr.size), b""
        asked = asked_of(csr) or AskedNames()
        names = (each.lower() for each in asked.names)
        self.values = frozenset((*names, *map(unmapped, asked.addresses)))

    @property
    def name(self) -> str:
        """The name of the CSR."""
        return self.found.name

    @property
    def node(self) -> str | None:
        """The node that asks."""
        return node_of(self.found.spec.username)

    @property
    def requestor(self) -> Requestor:
        """Who asks."""
        return requestor_of(self.found)


def requestor_of(found: CertificateSigningRequest) -> Requestor:
    """Who made a CSR."""
    return found.spec.username, found.spec.extra.get(CREDENTIAL_ID, ())


def node_of(username: str) -> str | None:
    """The node that has this username."""
    return username.removeprefix(NODE_USER) or None if username.startswith(NODE_USER) else None


@dataclass(slots=True)
class _Newest:
    """The newest CSR of a requestor. It is still known when it is decided about, or gone."""

    name: str
    uid: str
    order: tuple[datetime, bool, int]
    waiting: WaitingCsr | None = None
    is_read: bool = False
    """Whether it is decided about, and has been read."""


class WaitingCsrs:
    """All of them, by requestor and by name.

    is_node: whether there is a Node of this name. is_allowed: whether this credential is known as its node's own.
    """

    def __init__(
        self,
        is_node: Callable[[str], bool],
        is_allowed: Callable[[Requestor], bool],
    ) -> None:
        self._is_node = is_node
        self._is_allowed = is_allowed
        self._newest: dict[str, dict[tuple[str, ...], _Newest]] = {}
        """By username, whoever has asked last at the end."""

        self._by_name: dict[str, WaitingCsr] = {}
        self._prune_at = MOST_STRANGERS
        self.told = False
        """Whether a CSR has said which client certificate made it."""

    def __len__(self) -> int:
        return len(self._by_name)

    def __iter__(self) -> Iterator[WaitingCsr]:
        return iter(self._by_name.values())

    def get(self, name: str) -> WaitingCsr | None:
        """The CSR of this name."""
        return self._by_name.get(name)

    def of(self, requestor: Requestor) -> WaitingCsr | None:
        """The CSR for which this requestor waits."""
        newest = self._of(requestor)
        return newest.waiting if newest else None

    def newest(self, requestor: Requestor) -> str | None:
        """The name of the newest CSR that the requestor has made, whatever became of it; None if it is not known."""
        newest = self._of(requestor)
        return newest.name if newest else None

    def put(self, found: CertificateSigningRequest) -> WaitingCsr | None:
        """A CSR that nobody has decided about. None if it is not kept: its requestor has asked again, or too many ask."""
        before = self.of(requestor_of(found))
        newest = self._placed(found)
        if newest is None:
            return None
        if newest.waiting is None:
            newest.waiting = self._by_name[found.name] = WaitingCsr(
                found, asks_again=before is not None
            )
        newest.waiting.found = found
        return newest.waiting

    def decided(self, found: CertificateSigningRequest) -> tuple[WaitingCsr | None, bool]:
        """Somebody has decided about it. Returns it if it waited until now, and whether it need not be read any more."""
        newest = self._placed(found)
        known = self.remove(found.name)
        if newest is None:
            return known, False
        is_read, newest.is_read = newest.is_read or bool(known and known.csr), True
        return known, is_read

    def remove(self, name: str) -> WaitingCsr | None:
        """It waits no more. Returns what was known of it."""
        waiting = self._by_name.pop(name, None)
        if waiting is not None:
            newest = self._of(waiting.requestor)
            if newest is not None and newest.waiting is waiting:
                newest.waiting = None
        return waiting

    def of_node(self, node: str) -> Collection[str]:
        """The names of those that this node asks for."""
        places = self._newest.get(f"{NODE_USER}{node}", {}).values()
        return [each.name for each in places if each.waiting is not None]

    def asking_for(self, values: Iterable[Value]) -> set[str]:
        """The names of those that ask for one of these names and addresses."""
        wanted = set(values)
        return {each.name for each in self if not each.values.isdisjoint(wanted)}

    def touched_by(self, *nodes: Node | None) -> set[str]:
        """The names of those that a change of a Node concerns: its own, and those that ask for what it has or had."""
        found: set[str] = set()
        for node in filter(None, nodes):
            texts = [node.name, *(each.address for each in node.status.addresses)]
            found |= self.asking_for(as_address(text) or text.lower() for text in texts)
            found.update(self.of_node(node.name))
        return found

    def unresolved(self, at: datetime) -> list[timedelta]:
        """The ages of those that an operator should hear of.

        One that can never pass counts for a while: its kubelet asks again a minute later, or is not there any more.
        """
        made = [(each.found.metadata.creation_timestamp or at, each.over) for each in self]
        return [at - since for since, over in made if not over or at - since < _ASKS_AGAIN]

    def _of(self, requestor: Requestor) -> _Newest | None:
        username, credential = requestor
        return self._newest.get(username, {}).get(credential)

    def _placed(self, found: CertificateSigningRequest) -> _Newest | None:
        """The place of its requestor, if it is the newest there; its older CSR has no place any more.

        Of two of the same second the one that the API server stored later is newer. A list tells them by name, and a watch
        as they were stored. One that is decided about has a later version for that, and is none the newer.
        """
        requestor = username, credential = requestor_of(found)
        self.told = self.told or bool(certificate_id(credential))
        metadata = found.metadata
        made = metadata.creation_timestamp or _NEVER
        order = made, not found.status.conditions, metadata.version_number
        newest = self._of(requestor)
        if newest is not None and (newest.name, newest.uid) == (found.name, found.uid):
            return newest
        if newest is not None and order < newest.order:
            return None
        if newest is None and not self._has_room(requestor):
            return None
        self._drop(newest)
        places = self._newest.pop(username, {})
        self._newest[username] = places
        places[credential] = _Newest(found.name, found.uid, order)
        return places[credential]

    def _has_room(self, requestor: Requestor) -> bool:
        """Whether there is a place for one more credential. Makes room where another one may lose its own."""
        username, _ = requestor
        places = self._newest.get(username)
        if places is None:
            self._prune()
        elif len(places) >= MOST_CREDENTIALS:
            ranks = {
                (self._is_allowed((username, each)), bool(place.waiting), place.order): each
                for each, place in places.items()
            }
            last = min(ranks)
            if last[0] and not self._is_allowed(requestor):
                return False
            self._drop(places.pop(ranks[last]))
        return True

    def _prune(self) -> None:
        if len(self._newest) < self._prune_at:
            return
        strangers = [each for each in self._newest if not self._is_node(node_of(each) or "")]
        for username in strangers[: -MOST_STRANGERS // 2]:
            for place in self._newest.pop(username).values():
                self._drop(place)
        self._prune_at = len(self._newest) + MOST_STRANGERS // 2

    def _drop(self, place: _Newest | None) -> None:
        if place is not None and place.waiting is not None:
            self.remove(place.waiting.name)
