"""The target and the result of a bare TLS handshake, without HTTP. `io.dial` does the handshake."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kubevouch.tls import HandshakeFailure, joined
from kubevouch.x509 import Certificate

KUBELET_PORT: Final = 10250


@dataclass(frozen=True, slots=True)
class Target:
    """A kubelet to dial. `address`: the IP address or name that scrapers dial, without the port.

    node: the Node's name. server_name: the TLS server name (SNI), if it is not the address. An IP
    address is never sent as SNI (RFC 6066, section 3). Without SNI, kubelets up to 1.35 serve the
    certificate that they loaded when they started.
    """

    address: str
    node: str = ""
    port: int = KUBELET_PORT
    server_name: str = ""

    def __str__(self) -> str:
        return joined(self.address, self.port)


@dataclass(frozen=True, slots=True)
class DialResult:
    """The result of a bare handshake.

    failure: None if the handshake completed and every certificate was readable. at: when
    we started to dial. elapsed: seconds, including waits caused by our own load. remote: the last
    address that we tried ("10.0.0.5:10250"); empty if we tried none, as for an unknown name. chain:
    the certificates before the first unreadable certificate, leaf first, and within the limits of
    `x509.bundle`.
    """

    target: Target
    at: datetime
    elapsed: float
    remote: str = ""
    tls_version: str = ""
    """"TLSv1.3" or "TLSv1.2"."""
    cipher: str = ""
    """OpenSSL's name for the cipher suite."""
    chain: tuple[Certificate, ...] = ()
    failure: HandshakeFailure | None = None

    @property
    def leaf(self) -> Certificate | None:
        """The serving certificate; None if the peer presented none, or an unreadable one."""
        return self.chain[0] if self.chain else None
