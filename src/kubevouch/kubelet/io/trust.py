"""Whom we believe to be a kubelet and what is presented to one, shared by all nodes; and whether a peer is a certain node's.

One TLS context serves all of them. Which node and address a peer must prove to be is given with each connection, and no
TLS session is kept from one to the next, so nothing that was verified for one node counts for another.
"""

import functools
import ssl
from dataclasses import dataclass, field

from kubevouch.clock import Clock
from kubevouch.kubelet.dial_result import Target
from kubevouch.kubelet.errors import KubeletError
from kubevouch.kubelet.io.dial import readable_chain
from kubevouch.tls import FailureKind
from kubevouch.tls.io.context import KeyPair, client_context, inspection_context
from kubevouch.tls.io.identity import vouch_first
from kubevouch.x509 import Certificate, misnamed, read_certificates, verify
from kubevouch.x509.reasons import TLS_PREFIX


@dataclass(frozen=True)
class KubeletRoots:
    """The authorities of kubelets' serving certificates. Raises X509Error if `pem` contains none."""

    pem: bytes
    certificates: tuple[Certificate, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self,
            "certificates",
            tuple(read_certificates(self.pem, "kubelet certificate authority")),
        )


class KubeletTrust:
    """The TLS contexts for all kubelets. Replace it when the authorities change: open connections keep the old one.

    pair: the client certificate to present, if there is one. A peer that is to be verified is shown it in the handshake,
    once OpenSSL has verified its chain and name. check_time: False if the clock that verifies is not the machine's,
    which OpenSSL reads.
    """

    def __init__(
        self, roots: KubeletRoots, *, pair: KeyPair | None = None, check_time: bool = True
    ) -> None:
        self.roots = roots
        self.pair = pair
        self.verifying = client_context(roots=roots.pem, pair=pair, check_time=check_time)
        vouch_first(self.verifying)

    @functools.cached_property
    def inspecting(self) -> ssl.SSLContext:
        """For a look at a certificate that is not trusted: nothing may be sent."""
        return inspection_context()

    @functools.cached_property
    def accepting(self) -> ssl.SSLContext:
        """For a peer that could not be verified and is asked all the same: it is shown no certificate."""
        return client_context(roots=None, verify=False)


class PeerRefused(KubeletError):
    """The peer's certificate does not belong to the node. reason: a word of FailureKind or VerifyReason."""

    def __init__(self, where: str, reason: str, seen: str) -> None:
        super().__init__(where, seen)
        self.reason = reason


def read_chain(presented: tuple[bytes, ...], where: str) -> tuple[Certificate, ...]:
    """What was presented. Raises PeerRefused if a certificate in it cannot be read."""
    chain, unreadable = readable_chain(presented, where)
    if unreadable is not None:
        raise PeerRefused(where, str(unreadable.kind), unreadable.go_text)
    return chain


def check_chain(
    chain: tuple[Certificate, ...], target: Target, roots: KubeletRoots, clock: Clock
) -> None:
    """Checks the chain, the address, and that the certificate is the node's. Raises PeerRefused."""
    where = str(target)
    if not chain:
        raise PeerRefused(where, str(FailureKind.WRONG_IDENTITY), "presented no certificate")
    verdict = verify(
        chain[0],
        intermediates=chain[1:],
        roots=roots.certificates,
        name=target.address,
        at=clock.now(),
    )
    if not verdict.trusted:
        raise PeerRefused(where, str(verdict.reason), TLS_PREFIX + verdict.go_text)
    if seen := misnamed(chain[0], target.node):
        raise PeerRefused(where, str(FailureKind.WRONG_IDENTITY), seen)
