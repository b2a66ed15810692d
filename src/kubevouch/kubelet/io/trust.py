"""Verifies that a peer is a certain node's kubelet.

All nodes share one TLS context. Each connection is verified for its own node and address, and TLS
sessions are not resumed. So the verification of one node never counts for another node.
"""

import functools
import ssl

from kubevouch.clock import Clock
from kubevouch.kubelet.dial_result import Target
from kubevouch.kubelet.errors import KubeletError
from kubevouch.kubelet.io.dial import readable_chain
from kubevouch.tls import FailureKind
from kubevouch.tls.io.context import KeyPair, client_context, inspection_context
from kubevouch.tls.io.identity import vouch_first
from kubevouch.x509 import Certificate, misnamed, read_certificates, verify
from kubevouch.x509.reasons import TLS_PREFIX


class KubeletRoots:
    """The CAs that sign kubelets' serving certificates. Raises X509Error if `pem` has none."""

    def __init__(self, pem: bytes) -> None:
        self.pem = pem
        self.certificates = read_certificates(pem, "kubelet certificate authority")


class KubeletTrust:
    """The TLS contexts for all kubelets.

    Create a new one when the CAs change. Open connections keep the old CAs.

    pair: our client certificate, if any. The peer gets the certificate in the handshake, after
    OpenSSL has verified the peer's chain and name. check_time: whether OpenSSL checks validity
    times, by the machine's clock; False if `check_chain` gets another clock.
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
        """The context for reading an untrusted certificate. Send nothing over its connections."""
        return inspection_context()

    @functools.cached_property
    def accepting(self) -> ssl.SSLContext:
        """The context for scraping an unverified peer, if allowed. It has no client certificate."""
        return client_context(roots=None, verify=False)


class PeerRefused(KubeletError):
    """The peer's certificate is not valid for the node.

    reason: the value of a FailureKind or VerifyReason.
    """

    def __init__(self, where: str, reason: str, seen: str) -> None:
        super().__init__(where, seen)
        self.reason = reason


def read_chain(presented: tuple[bytes, ...], where: str) -> tuple[Certificate, ...]:
    """Parses the presented chain. Raises PeerRefused if a certificate is unreadable."""
    chain, unreadable = readable_chain(presented, where)
    if unreadable is not None:
        raise PeerRefused(where, str(unreadable.kind), unreadable.go_text)
    return chain


def check_chain(
    chain: tuple[Certificate, ...], target: Target, roots: KubeletRoots, clock: Clock
) -> None:
    """Verifies the chain, and that the certificate is for the target's address and node.

    Raises PeerRefused.
    """
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
