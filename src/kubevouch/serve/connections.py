"""Decides which connections a server closes when too many are open. No I/O.

A client counts as a stranger until it is authenticated: by a certificate in the handshake, or by a
request after which the connection stays open. (The access gate closes connections from anonymous
clients, like apiserver with HTTP/2.) Strangers, known clients and the front proxy have separate
limits, so that many strangers cannot lock out the API server. The front proxy does not share the
limit of the known clients, since these include every kubelet, and a node can connect from many pod
addresses. If a limit is exceeded, the peer with the most connections loses the one that has been
idle for longest.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The maximum numbers of connections, and their timeouts in seconds.

    known: the limit for the front proxy, and, separately, for all other known clients. Prometheus
    keeps few connections; a kubelet opens one per probe. strangers: the limit for
    unauthenticated clients, including API servers during the handshake. An API server opens a
    connection for each concurrent request, and moves all of them to this replica when another
    replica ends. idle: timeout for a known client, longer than in Go's clients (90 s). patience:
    timeout for a stranger that has not sent a complete request.
    """

    known: int = 512
    strangers: int = 512
    strangers_of_a_peer: int = 256
    idle: float = 120.0
    patience: float = 20.0


@dataclass(slots=True)
class _Connection:
    """An open connection.

    since: when it was opened, or when its last request ended. first: whether it is the front
    proxy's. answering: the number of requests in progress.
    """

    peer: str
    since: float
    known: bool = False
    first: bool = False
    answering: int = 0


Group = dict[K, _Connection]
"""Connections by key, in order of arrival."""


class _Share(Generic[K]):
    """The connections that count towards one limit, by peer."""

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

    def to_close(self, newest: K) -> K:
        """The connection to close: of the peer with the most connections, the one idle for longest.

        A peer without idle connections is skipped. If no connection but the newest is idle, the
        newest is closed.
        """
        for group in sorted(self.peers.values(), key=len, reverse=True):
            if (found := _longest_idle(group, newest)) is not newest:
                return found
        return newest


class Connections(Generic[K]):
    """All open connections, by key. The caller must close and forget every connection that a method returns."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._open: Group[K] = {}
        self._strangers: _Share[K] = _Share()
        self._known: _Share[K] = _Share()
        self._first: _Share[K] = _Share()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[K]:
        return iter(tuple(self._open))

    def begin(self, key: K, peer: str, now: float) -> K | None:
        """Adds a connection without an authenticated client. Returns a connection to close, if any: maybe this one."""
        found = self._open[key] = _Connection(peer, now)
        self._strangers.add(key, found)
        of_peer = self._strangers.peers[peer]
        if len(of_peer) > self._limits.strangers_of_a_peer:
            return _longest_idle(of_peer, key)
        too_many = self._strangers.count > self._limits.strangers
        return self._strangers.to_close(key) if too_many else None

    def know(self, key: K, *, first: bool = False) -> K | None:
        """Marks the client as known. first: the client is the front proxy.

        Returns a connection to close, which may be this one.
        """
        found = self._open.get(key)
        if found is None or found.known:
            return None
        self._strangers.remove(key, found)
        found.known, found.first = True, first
        room = self._room(found)
        room.add(key, found)
        return room.to_close(key) if room.count > self._limits.known else None

    def ask(self, key: K) -> None:
        """Records that a connection's request has arrived, up to the end of its headers."""
        if found := self._open.get(key):
            found.answering += 1

    def answer(self, key: K, now: float) -> None:
        """Records that the handling of a connection's request has ended."""
        if found := self._open.get(key):
            found.answering -= 1
            found.since = now

    def forget(self, key: K) -> None:
        """Removes a closed connection."""
        if found := self._open.pop(key, None):
            self._room(found).remove(key, found)

    def _room(self, found: _Connection) -> _Share[K]:
        if not found.known:
            return self._strangers
        return self._first if found.first else self._known

    def overdue(self, now: float) -> list[K]:
        """Connections that have gone too long without a complete request, even if single bytes still arrive."""
        return [
            key
            for key, each in self._open.items()
            if not each.answering
            and now - each.since > (self._limits.idle if each.known else self._limits.patience)
        ]


def _longest_idle(group: Group[K], newest: K) -> K:
    """The connection that has been idle for longest; `newest` if no other connection is idle."""
    quiet = (key for key, each in group.items() if not each.answering and key != newest)
    return min(quiet, key=lambda key: group[key].since, default=newest)
