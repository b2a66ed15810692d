"""Whom a bare handshake dials, and what came of it. Values: `io.dial` makes them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kubevouch.tls import HandshakeFailure, joined
from kubevouch.x509 import Certificate

KUBELET_PORT: Final = 10250
MOST_CERTIFICATES: Final = 16
"""So many of a chain are read. A kubelet presents one or two; Go's verifier gives up at a hundred signatures."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to dial. `address` is what scrapers would dial: an IP address or a name, without port.

    node: the Node's name, carried through. server_name: for the TLS name (SNI), where it is not the address; an
    address as such is never sent (RFC 6066, 3), and kubelets up to 1.35 then serve what they read at their start.
    """

    address: str
    node: str = ""
    port: int = KUBELET_PORT
    server_name: str = ""

    def __str__(self) -> str:
        return joined(self.address, self.port)


@dataclass(frozen=True, slots=True)
class DialResult:
    """What came of it. `failure` is None if and only if the handshake was finished and every certificate read.

    at: when it began. elapsed: seconds, our own waiting in the crowd included. remote: the address that answered
    ("10.0.0.5:10250"), empty if none was reached. chain: leaf first, at most MOST_CERTIFICATES; `left_out` more
    were presented. whole: False where this Python shows the leaf only.
    """

    target: Target
    at: datetime
    elapsed: float
    remote: str = ""
    tls_version: str = ""
    """"TLSv1.3" or "TLSv1.2"."""
    cipher: str = ""
    """OpenSSL's name of the suite."""
    chain: tuple[Certificate, ...] = ()
    left_out: int = 0
    whole: bool = True
    failure: HandshakeFailure | None = None

    @property
    def leaf(self) -> Certificate | None:
        """The serving certificate, if one was presented and could be read."""
        return self.chain[0] if self.chain else None
