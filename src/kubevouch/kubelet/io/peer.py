"""Whether a peer is the kubelet of a certain node: our own verification, by the rules and in the words of Go."""

from kubevouch.clock import Clock
from kubevouch.kubelet.dial_result import Target
from kubevouch.kubelet.errors import KubeletError
from kubevouch.kubelet.io.trust import KubeletRoots
from kubevouch.tls import FailureKind
from kubevouch.x509 import Certificate, X509Error, misnamed, read_certificate_der, verify
from kubevouch.x509.bundle import leaf_too_long, looked_at
from kubevouch.x509.reasons import TLS_PREFIX


class PeerRefused(KubeletError):
    """The peer's certificate does not belong to the node. reason: a word of FailureKind or VerifyReason."""

    def __init__(self, where: str, reason: str, seen: str) -> None:
        super().__init__(where, seen)
        self.reason = reason


def read_chain(presented: tuple[bytes, ...], where: str) -> tuple[Certificate, ...]:
    """What was presented. Raises PeerRefused if a certificate in it cannot be read."""
    reason = str(FailureKind.UNREADABLE_CERTIFICATE)
    if length := leaf_too_long(presented):
        raise PeerRefused(where, reason, f"a certificate of {length}")
    try:
        return tuple(read_certificate_der(der, where) for der in looked_at(presented))
    except X509Error as error:
        raise PeerRefused(where, reason, error.seen) from None


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
        name=target.server_name or target.address,
        at=clock.now(),
    )
    if not verdict.trusted:
        raise PeerRefused(where, str(verdict.reason), TLS_PREFIX + verdict.go_text)
    if seen := misnamed(chain[0], target.node):
        raise PeerRefused(where, str(FailureKind.WRONG_IDENTITY), seen)
