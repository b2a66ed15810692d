"""Undecided serving CSRs: the newest of each requestor, and which of them a change affects.

Memory use depends on the number of possible requestors, not on the number of their CSRs. Older CSRs
with the same credential are not kept, since the kubelet has dropped their keys. They do not come
back when the newest CSR is deleted, since the kubelet then makes another one (client-go
util/certificate/csr/csr.go, WaitForCertificate).
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
from kubevouch.x509.kinds import node_of_user

Requestor = tuple[str, tuple[str, ...]]
"""A CSR's username and credential IDs.

If only the username counted, an attacker with a client certificate for the node's name could
supersede every CSR of the real kubelet.
"""

MOST_CREDENTIALS: Final = MOST + 1
"""How many credentials to keep per username: the kubelet's own, and as many as others can use before all CSRs of the node are held.

A credential that counts as the node's own is never dropped for one that does not.
"""

MOST_STRANGERS: Final = 500
"""How many usernames without a Node to keep; the oldest are dropped. With a bootstrap token, anybody can
request any number of names."""

_ASKS_AGAIN = timedelta(minutes=20)
"""How long the metrics count a CSR that cannot pass. A kubelet waits 15 minutes for its CSR
(client-go util/certificate/certificate_manager.go)."""

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True, eq=False)
class WaitingCsr:
    """A waiting CSR.

    found: the CSR as the watch last showed it, without the request.
    """

    found: CertificateSigningRequest
    request: bytes = b""
    """The request as sent; empty once it has been parsed."""

    csr: Csr | None = None
    """The parsed CSR, without spec.request; None until the CSR is first looked at."""

    values: frozenset[Value] = frozenset()
    """The names and addresses that the CSR requests."""

    first_uid: str = ""
    """The UID of the requestor's Node when first read for this CSR; "" if not read yet, or if there
    was no Node.

    It is not taken from the watch of Nodes, which may lag behind the watch of CSRs and still show
    the previous Node.
    """

    failures: int = 0
    """Consecutive inconclusive decisions."""

    held_for: str = ""
    """The last logged reason for holding the CSR; "" if it was not held."""

    over: bool = False
    """Whether the CSR can never pass."""

    asks_again: bool = False
    """Whether the requestor already had another CSR waiting."""

    def keep(self, csr: Csr) -> None:
        """Stores the parsed CSR."""
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
        """The node that requests the certificate."""
        return node_of_user(self.found.spec.username)

    @property
    def requestor(self) -> Requestor:
        """The requestor of the CSR."""
        return requestor_of(self.found)


def requestor_of(found: CertificateSigningRequest) -> Requestor:
    """The requestor of a CSR."""
    return found.spec.username, found.spec.extra.get(CREDENTIAL_ID, ())


@dataclass(slots=True)
class _Newest:
    """The newest CSR of a requestor, even if it has been decided or deleted."""

    name: str
    uid: str
    order: tuple[datetime, bool, int]
    waiting: WaitingCsr | None = None
    is_read: bool = False
    """Whether the CSR has been decided, and its contents have been parsed."""


class WaitingCsrs:
    """All waiting CSRs, by requestor and by name.

    is_node: whether a Node with this name exists. is_allowed: whether this credential is known to be
    its node's own.
    """

    def __init__(
        self,
        is_node: Callable[[str], bool],
        is_allowed: Callable[[Requestor], bool],
    ) -> None:
        self._is_node = is_node
        self._is_allowed = is_allowed
        self._newest: dict[str, dict[tuple[str, ...], _Newest]] = {}
        """The newest CSRs by username and credential. The username with the latest CSR comes last."""

        self._by_name: dict[str, WaitingCsr] = {}
        self._prune_at = MOST_STRANGERS
        self.told = False
        """Whether any CSR contained its requestor's credential ID."""

    def __len__(self) -> int:
        return len(self._by_name)

    def __iter__(self) -> Iterator[WaitingCsr]:
        return iter(self._by_name.values())

    def get(self, name: str) -> WaitingCsr | None:
        """The waiting CSR with this name."""
        return self._by_name.get(name)

    def of(self, requestor: Requestor) -> WaitingCsr | None:
        """The requestor's waiting CSR."""
        newest = self._of(requestor)
        return newest.waiting if newest else None

    def newest(self, requestor: Requestor) -> str | None:
        """The name of the requestor's newest CSR, decided or not; None if unknown."""
        newest = self._of(requestor)
        return newest.name if newest else None

    def put(self, found: CertificateSigningRequest) -> WaitingCsr | None:
        """Adds an undecided CSR.

        Returns None if it is not kept: its requestor has made a newer one, or there are too many
        requestors.
        """
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
        """Marks a CSR as decided. Returns it if it was waiting, and whether its contents had been parsed."""
        newest = self._placed(found)
        known = self.remove(found.name)
        if newest is None:
            return known, False
        is_read, newest.is_read = newest.is_read or bool(known and known.csr), True
        return known, is_read

    def remove(self, name: str) -> WaitingCsr | None:
        """Removes a waiting CSR and returns it."""
        waiting = self._by_name.pop(name, None)
        if waiting is not None:
            newest = self._of(waiting.requestor)
            if newest is not None and newest.waiting is waiting:
                newest.waiting = None
        return waiting

    def of_node(self, node: str) -> Collection[str]:
        """The names of this node's waiting CSRs."""
        places = self._newest.get(f"{NODE_USER}{node}", {}).values()
        return [each.name for each in places if each.waiting is not None]

    def asking_for(self, values: Iterable[Value]) -> set[str]:
        """The names of the CSRs that request one of these values."""
        wanted = set(values)
        return {each.name for each in self if not each.values.isdisjoint(wanted)}

    def touched_by(self, *nodes: Node | None) -> set[str]:
        """The names of the CSRs that a change of a Node may affect: its own CSRs, and CSRs for its old or new names and addresses."""
        found: set[str] = set()
        for node in filter(None, nodes):
            texts = [node.name, *(each.address for each in node.status.addresses)]
            found |= self.asking_for(as_address(text) or text.lower() for text in texts)
            found.update(self.of_node(node.name))
        return found

    def unresolved(self, at: datetime) -> list[timedelta]:
        """The ages of the CSRs that an operator should know about.

        A CSR that can never pass is included only for a while, since its kubelet makes another one
        within a minute or is gone.
        """
        made = [(each.found.metadata.creation_timestamp or at, each.over) for each in self]
        return [at - since for since, over in made if not over or at - since < _ASKS_AGAIN]

    def _of(self, requestor: Requestor) -> _Newest | None:
        username, credential = requestor
        return self._newest.get(username, {}).get(credential)

    def _placed(self, found: CertificateSigningRequest) -> _Newest | None:
        """Makes this the requestor's newest CSR. Returns None if a newer one is known, or if there is no room.

        Of two CSRs from the same second, the one that the API server stored later is newer. A list
        sorts by name, and a watch by storage order. A decision raises the resourceVersion, but does
        not make a CSR newer.
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
        """Whether one more credential can be kept. Drops another one if needed."""
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
        strangers = [each for each in self._newest if not self._is_node(node_of_user(each) or "")]
        for username in strangers[: -MOST_STRANGERS // 2]:
            for place in self._newest.pop(username).values():
                self._drop(place)
        self._prune_at = len(self._newest) + MOST_STRANGERS // 2

    def _drop(self, place: _Newest | None) -> None:
        if place is not None and place.waiting is not None:
            self.remove(place.waiting.name)
