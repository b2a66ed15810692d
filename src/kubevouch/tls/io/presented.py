"""The chain that a peer presented in its handshake, also of a peer that nobody can verify.

Python has a public way from 3.13 on; before that the same call lies one level deeper, on the private object.
"""

import ssl
from dataclasses import dataclass
from typing import Final, Protocol, cast

# The value of _ssl.ENCODING_DER: how the private objects before 3.13 are told to print themselves.
_ENCODING_DER: Final = 2


class _InnerCertificate(Protocol):
    def public_bytes(self, encoding: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class PresentedCertificate:
    """Certificates in DER, leaf first, in the order they came. Bytes from a peer: parse them with care."""

    der: tuple[bytes, ...]
    whole: bool
    """False: this Python does not tell the chain, and only the leaf is here."""


def presented(tls: ssl.SSLObject | ssl.SSLSocket) -> PresentedCertificate:
    """What the peer of a finished handshake presented; empty if it presented nothing."""
    chain = _public_chain(tls)
    if chain is None:
        chain = _private_chain(tls)
    if chain is not None:
        return PresentedCertificate(chain, whole=True)
    leaf = tls.getpeercert(binary_form=True)
    return PresentedCertificate((leaf,) if leaf else (), whole=False)


def _public_chain(tls: ssl.SSLObject | ssl.SSLSocket) -> tuple[bytes, ...] | None:
    get = getattr(tls, "get_unverified_chain", None)
    return None if get is None else tuple(cast("list[bytes]", get() or []))


def _private_chain(tls: ssl.SSLObject | ssl.SSLSocket) -> tuple[bytes, ...] | None:
    get = getattr(getattr(tls, "_sslobj", None), "get_unverified_chain", None)
    if get is None:
        return None
    found = cast("list[_InnerCertificate]", get() or [])
    return tuple(certificate.public_bytes(_ENCODING_DER) for certificate in found)
