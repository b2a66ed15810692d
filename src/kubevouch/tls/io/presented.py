"""The chain that a peer presented in its handshake, also if it cannot be verified.

Python has a public method for it since 3.13; before, the same method is on a private object.
"""

import ssl
from typing import Final, Protocol, cast

# The value of _ssl.ENCODING_DER: how the private objects before 3.13 are told to print themselves.
_ENCODING_DER: Final = 2


class _InnerCertificate(Protocol):
    def public_bytes(self, encoding: int, /) -> bytes: ...


def presented(tls: ssl.SSLObject | ssl.SSLSocket) -> tuple[bytes, ...]:
    """The certificates that the peer presented in a completed handshake, in DER: the leaf only where this Python gives no more.

    The bytes come from a peer and may be hostile.
    """
    chain = _public_chain(tls)
    if chain is None:
        chain = _private_chain(tls)
    if chain is not None:
        return chain
    leaf = tls.getpeercert(binary_form=True)
    return (leaf,) if leaf else ()


def _public_chain(tls: ssl.SSLObject | ssl.SSLSocket) -> tuple[bytes, ...] | None:
    get = getattr(tls, "get_unverified_chain", None)
    return None if get is None else tuple(cast("list[bytes]", get() or []))


def _private_chain(tls: ssl.SSLObject | ssl.SSLSocket) -> tuple[bytes, ...] | None:
    get = getattr(getattr(tls, "_sslobj", None), "get_unverified_chain", None)
    if get is None:
        return None
    found = cast("list[_InnerCertificate]", get() or [])
    return tuple(certificate.public_bytes(_ENCODING_DER) for certificate in found)
