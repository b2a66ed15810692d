"""Which connections a server keeps when too many come. No I/O.

A connection is a stranger's until its client has shown who it is: by a certificate in the
handshake, or by a request whose answer left the connection open. (The access gate ends those of
anonymous clients, like apiserver with HTTP/2.) Strangers and known clients have separate room, so
that no crowd of strangers keeps an API server out. So has the front proxy: each node has a client
certificate, and addresses of its pods to connect from. If room is short, the peer with the most
connections loses its quietest one.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Numbers of connections: known, the front proxy's and all others', strangers', and strangers' per peer; and time-outs.

    API servers and Prometheus keep a few each; a kubelet opens one for each probe. An API server is
    a stranger, too, until its handshake is done, and needs a connection for each concurrent
    request. When another replica ends, it moves all those here. idle: seconds for a known client,
    more than Go's clients keep theirs (90 s). patience: seconds for a stranger, from its connection
    to the end of its first request.
    """

    known: int = 512
    strangers: int = 512
    strangers_of_a_peer: int = 256
    idle: float = 120.0
    patience: float = 20.0


@dataclass(slots=True)
class _Connection:
    """A connection. since: its start, or its last answer. first: the front proxy's. answering: requests in progress."""

    peer: str
    since: float
    known: bool = False
    first: bool = False
    answering: int = 0


Group = dict[K, _Connection]
"""Connections in order of arrival."""


class _Room(Generic[K]):
    """Connections that share a number of places, by their peers."""

    def __init__(self) -> None:
        self.count = 0
        self.peers: dict[str, Group[K]] = {}

    def add(self, key: K, found: _Connection) -> None:
        self.peers.setdefault(found.peer, {})[key] = found
        self.count += 1

    def remove(self, key: K, found: _Connection) -> None:
        group = self.peers[found.peer]
        del group[key]
        self.count -= 1
        if not group:
            del self.peers[found.peer]

    def least_missed(self, newest: K) -> K:
        """The quietest idle connection of the peer with the most idle ones; else the newest."""
        for group in sorted(self.peers.values(), key=len, reverse=True):
            if (found := _quietest(group, newest)) is not newest:
                return found
        return newest


class Connections(Generic[K]):
    """The open connections by any key. Close and forget every connection that a method returns."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._open: Group[K] = {}
        self._strangers: _Room[K] = _Room()
        self._known: _Room[K] = _Room()
        self._first: _Room[K] = _Room()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[K]:
        return iter(tuple(self._open))

    def begin(self, key: K, peer: str, now: float) -> K | None:
        """Adds a stranger. Returns the connection to close, which may be the stranger's."""
        found = self._open[key] = _Connection(peer, now)
        self._strangers.add(key, found)
        of_peer = self._strangers.peers[peer]
        if len(of_peer) > self._limits.strangers_of_a_peer:
            return _quietest(of_peer, key)
        too_many = self._strangers.count > self._limits.strangers
        return self._strangers.least_missed(key) if too_many else None

    def know(self, key: K, *, first: bool = False) -> K | None:
        """Marks the client as known.

        Returns the connection to close, which may be this one. first: the front proxy.
        """
        found = self._open.get(key)
        if found is None or found.known:
            return None
        self._strangers.remove(key, found)
        found.known, found.first = True, first
        room = self._room(found)
        room.add(key, found)
        return room.least_missed(key) if room.count > self._limits.known else None

    def ask(self, key: K) -> None:
        """A request is complete, and being answered."""
        if found := self._open.get(key):
            found.answering += 1

    def answer(self, key: K, now: float) -> None:
        """A request has been answered."""
        if found := self._open.get(key):
            found.answering -= 1
            found.since = now

    def forget(self, key: K) -> None:
        """Removes a closed connection."""
        if found := self._open.pop(key, None):
            self._room(found).remove(key, found)

    def _room(self, found: _Connection) -> _Room[K]:
        if not found.known:
            return self._strangers
        return self._first if found.first else self._known

    def overdue(self, now: float) -> list[K]:
        """Connections without a complete request for too long, even if bytes trickle in."""
        return [
            key
            for key, each in self._open.items()
            if not each.answering
            and now - each.since > (self._limits.idle if each.known else self._limits.patience)
        ]


def _quietest(group: Group[K], newest: K) -> K:
    """The idle connection that was quiet for longest; the newest if there is no other."""
    quiet = (key for key, each in group.items() if not each.answering and key != newest)
    return min(quiet, key=lambda key: group[key].since, default=newest)
