"""Which connections a server keeps when more come than it can have. Nothing is read or written here.

A connection is a stranger's until its client has shown who it is: by a certificate in the handshake, or by a request
whose answer left the connection open (the access gate ends those of anonymous clients, as apiserver does with HTTP/2).
Strangers and known clients have room apart, so that no crowd of strangers keeps an API server out. Whoever has most
gives way first: of the peer with most connections, the one that was quiet for longest.
"""

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Numbers of connections: known ones, strangers', and strangers' of one peer. Seconds in which a request must come.

    API servers and Prometheus keep a few each; a kubelet opens one for each probe. An API server is a stranger, too, until its
    handshake is done, and needs a connection for each request in flight: when another replica ends, it comes with all that it
    had there. idle: of a known client, longer than Go's clients keep theirs (90 s). patience: of a stranger, from its
    connection to the end of its first request.
    """

    known: int = 512
    strangers: int = 512
    strangers_of_a_peer: int = 256
    idle: float = 120.0
    patience: float = 20.0


@dataclass(slots=True)
class _Connection:
    """since: when it began, or its last request was answered. answering: requests that are being answered."""

    peer: str
    since: float
    known: bool = False
    answering: int = 0


@dataclass(slots=True)
class Connections(Generic[K]):
    """The open connections by any key. Whoever is to be closed is returned, and must be closed and forgotten."""

    limits: ConnectionLimits
    _open: dict[K, _Connection] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, key: K, peer: str, now: float) -> K | None:
        """A stranger connects. Returns who has to give way, which may be the stranger."""
        self._open[key] = _Connection(peer, now)
        of_peer = {found: each for found, each in self._of(known=False) if each.peer == peer}
        if len(of_peer) > self.limits.strangers_of_a_peer:
            return _least_missed(of_peer, key)
        strangers = dict(self._of(known=False))
        return _least_missed(strangers, key) if len(strangers) > self.limits.strangers else None

    def know(self, key: K) -> K | None:
        """The client has shown who it is. Returns who has to give way, which may be this client."""
        found = self._open.get(key)
        if found is None or found.known:
            return None
        found.known = True
        known = dict(self._of(known=True))
        return _least_missed(known, key) if len(known) > self.limits.known else None

    def ask(self, key: K) -> None:
        """A request is complete, and is being answered."""
        if found := self._open.get(key):
            found.answering += 1

    def answer(self, key: K, now: float) -> None:
        """A request has been answered."""
        if found := self._open.get(key):
            found.answering -= 1
            found.since = now

    def forget(self, key: K) -> None:
        """A connection is closed."""
        self._open.pop(key, None)

    def overdue(self, now: float) -> list[K]:
        """Those without a complete request for too long, also those that send it byte by byte."""
        return [
            key
            for key, each in self._open.items()
            if not each.answering
            and now - each.since > (self.limits.idle if each.known else self.limits.patience)
        ]

    def _of(self, *, known: bool) -> Iterator[tuple[K, _Connection]]:
        return ((key, each) for key, each in self._open.items() if each.known is known)


def _least_missed(found: dict[K, _Connection], newest: K) -> K:
    """Of those that nobody is being answered on, the quietest one of the peer with most; else the newest."""
    counts = Counter(each.peer for each in found.values())
    quiet = [key for key, each in found.items() if not each.answering and key != newest]
    return max(quiet, key=lambda key: (counts[found[key].peer], -found[key].since), default=newest)
