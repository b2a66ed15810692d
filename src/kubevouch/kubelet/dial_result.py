"""The target and the result of a bare handshake, as values. `io.dial` does the handshake."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Final

from kubevouch.tls import HandshakeFailure, joined
from kubevouch.x509 import Certificate

KUBELET_PORT: Final = 10250
MOST_CERTIFICATES: Final = 16
"""Certificates of a chain that are read. A kubelet presents one or two; Go's verifier stops at a hundred signatures."""
MOST_OF_A_CHAIN: Final = 16 * 1024
"""Bytes of them. A certificate has one or two thousand; to read a hundred thousand, of any stranger, would hold up all others."""


@dataclass(frozen=True, slots=True)
class Target:
    """A kubelet to dial. `address`: what scrapers dial, an IP address or a name, without port.

    node: the Node's name. server_name: the TLS server name (SNI) if it is not the address. An IP address is never sent
    as SNI (RFC 6066, 3); without SNI, kubelets up to 1.35 serve the certificate that they read at their start.
    """

    address: str
    node: str = ""
    port: int = KUBELET_PORT
    server_name: str = ""

    def __str__(self) -> str:
        return joined(self.address, self.port)


@dataclass(frozen=True, slots=True)
class DialResult:
    """The result of a bare handshake. `failure` is None only if it was completed and every certificate could be read.

    at: when it began. elapsed: seconds, including waits caused by our own load. remote: the address that answered
    ("10.0.0.5:10250"); empty if none was reached. chain: leaf first, at most MOST_CERTIFICATES and
    MOST_OF_A_CHAIN bytes; `left_out` more were presented. whole: False if this Python gives the leaf only.
    """

    target: Target
    at: datetime
    elapsed: float
    remote: str = ""
    tls_version: str = ""
    """"TLSv1.3" or "TLSv1.2"."""
    cipher: str = ""
    """OpenSSL's name of the cipher suite."""
    chain: tuple[Certificate, ...] = ()
    left_out: int = 0
    whole: bool = True
    failure: HandshakeFailure | None = None

    @property
    def leaf(self) -> Certificate | None:
        """The serving certificate; None if none was presented or it could not be read."""
        return self.chain[0] if self.chain else None


def looked_at(presented: Sequence[bytes]) -> tuple[bytes, ...]:
    """Those of the certificates that a peer has presented which are read: the leaf, and some of those behind it.

    Nothing if the leaf alone is too long.
    """
    long = list(accumulate(map(len, presented[:MOST_CERTIFICATES])))
    return tuple(presented[: bisect_right(long, MOST_OF_A_CHAIN)])


def too_long(presented: Sequence[bytes]) -> str:
    """Why a leaf is too long to be read; "" if it is short enough, or if none was presented."""
    if not presented or len(presented[0]) <= MOST_OF_A_CHAIN:
        return ""
    return f"{len(presented[0])} bytes; at most {MOST_OF_A_CHAIN} are read"
