"""Whom we believe to be a kubelet, and what is presented to one: shared by all nodes.

One TLS context serves all of them. Which node and address a peer must prove to be is given with each connection, and no
TLS session is kept from one to the next, so nothing that was verified for one node counts for another.
"""

import functools
import ssl
from dataclasses import dataclass, field
from enum import Enum, auto

from kubevouch.tls.io.context import KeyPair, client_context, inspection_context
from kubevouch.tls.io.identity import vouch_first
from kubevouch.x509 import Certificate, read_certificates


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


class Unverified(Enum):
    """What a kubelet gets that could not be verified."""

    NOTHING = auto()
    """Not one byte of HTTP."""

    NO_CREDENTIAL = auto()
    """A request without any credential: --kubelet-insecure-tls."""

    CREDENTIAL = auto()
    """The client certificate if there is one, which cannot be replayed, else the token: --kubelet-insecure-tls-nodes."""


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

    def accepting(self, unverified: Unverified) -> ssl.SSLContext:
        """For a peer that could not be verified and is asked all the same."""
        return self._bare if unverified is Unverified.NO_CREDENTIAL else self._with_pair

    @functools.cached_property
    def _bare(self) -> ssl.SSLContext:
        return client_context(roots=None, verify=False)

    @functools.cached_property
    def _with_pair(self) -> ssl.SSLContext:
        return client_context(roots=None, verify=False, pair=self.pair)
