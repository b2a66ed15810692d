"""A peer's identity, checked before any write to it.

OpenSSL verifies the chain and the name. It cannot check that the certificate belongs to *this*
node, or ask our own verifier. Python has no callback for that, but a context can choose the class
of its connections. Our class runs a check after the handshake; until it has passed, no application
data goes either way.

A client certificate is presented during the handshake, before the check. Held back are the token
and every byte of HTTP.
"""

import ssl
from collections.abc import Callable
from typing import Any, Final, Protocol, Self, cast

from kubevouch.errors import KubevouchError
from kubevouch.tls import TlsError


class IdentityRefused(TlsError, ssl.SSLError):
    """The peer completed its handshake, but failed the check. It got no application data.

    It is also an SSLError, so that event loops and HTTP clients treat it as a failed handshake.
    """

    def __init__(self, where: str, seen: str, expected: str = "") -> None:
        super().__init__(where, seen, expected)
        # An SSLError's attributes. OSError would read our three arguments as number, text and
        # file name.
        self.errno = ssl.SSL_ERROR_SSL
        self.strerror = str(self)
        self.filename = None
        self.library = "SSL"
        self.reason = "IDENTITY_REFUSED"


Check = Callable[[tuple[bytes, ...]], None]
"""Takes the peer's certificates, in DER. Returns for the expected peer; else raises
IdentityRefused or another KubevouchError (the cause)."""


def vouch_first(context: ssl.SSLContext, check: Check | None = None) -> None:
    """Makes every new connection of this context unusable until its peer has passed the check.

    check: for connections without one of their own from `vouched_by`; without any, every peer is
    refused. Any exception of the check refuses the peer, so that a bug of ours lets no stranger in.
    Works for asyncio, aiohttp and everything else that uses `wrap_bio`; `wrap_socket` is refused.
    """

    class Vouched(_VouchedObject):
        check_peer = staticmethod(check or _nobody)

    context.sslobject_class = Vouched
    context.sslsocket_class = _UnusableSocket


def vouched_by(tls: ssl.SSLObject, check: Check) -> None:
    """Gives a new connection its own check. TypeError: its context does not vouch for peers."""
    if not isinstance(tls, _VouchedObject):
        raise TypeError("expected a context of vouch_first")
    tls.check_peer = check


def _nobody(_: tuple[bytes, ...]) -> None:
    raise IdentityRefused("TLS connection", "created without a check of its peer")


class _VouchedObject(ssl.SSLObject):
    check_peer: Check
    _vouched = False

    def do_handshake(self) -> None:
        super().do_handshake()
        if self._vouched:
            return
        try:
            self.check_peer(presented(self))
        except IdentityRefused:
            raise
        except KubevouchError as error:
            raise IdentityRefused(error.where, error.seen, error.expected) from error
        except Exception as error:
            # An event loop expects SSLErrors here, and would leave any other connection hanging.
            raise IdentityRefused(
                "identity check", "failed itself", "please report this"
            ) from error
        self._vouched = True

    # OpenSSL does a missing handshake in its first read or write, so these wait for the check,
    # too.
    def read(self, *arguments: Any) -> Any:  # noqa: ANN401 - bytes, or a count if a buffer is given
        self._must_be_vouched()
        return super().read(*arguments)

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        self._must_be_vouched()
        return super().write(data)

    def _must_be_vouched(self) -> None:
        if not self._vouched:
            raise IdentityRefused("TLS connection", "used before its peer passed the check")


class _UnusableSocket(ssl.SSLSocket):
    @classmethod
    def _create(cls, *_: Any, **__: Any) -> Self:  # noqa: ANN401 - whatever wrap_socket gives
        raise TypeError("this context vouches for the peers of wrap_bio only")


# The value of _ssl.ENCODING_DER: the private objects before 3.13 need it to print themselves.
_ENCODING_DER: Final = 2


class _InnerCertificate(Protocol):
    def public_bytes(self, encoding: int, /) -> bytes: ...


def presented(tls: ssl.SSLObject | ssl.SSLSocket) -> tuple[bytes, ...]:
    """The peer's certificates from a completed handshake, in DER, even unverifiable ones.

    Only the leaf, if this Python gives no more: it has a public method since 3.13, and a private
    one before. The bytes come from a peer and may be hostile.
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
