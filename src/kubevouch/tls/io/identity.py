"""Checks the peer's identity before any application data is sent.

OpenSSL verifies the chain and the name. It cannot check that the certificate belongs to *this*
node, or call our verifier. Python has no callback for that, but a context can set the class of its
connections. Our class runs a check after the handshake. Until the check has passed, no
application data is sent or received.

A client certificate is sent during the handshake, before the check. A token and all HTTP data are
sent after the check.
"""

import ssl
from collections.abc import Callable
from typing import Any, Final, Protocol, Self, cast

from kubevouch.errors import KubevouchError
from kubevouch.tls import TlsError


class IdentityRefused(TlsError, ssl.SSLError):
    """The peer completed the handshake, but failed the check. The peer got no application data.

    This is also an SSLError, so that event loops and HTTP clients see a failed handshake.
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
"""Takes the peer's certificates, in DER. Raises IdentityRefused or another KubevouchError if the peer is not the expected one."""


def vouch_first(context: ssl.SSLContext) -> None:
    """Makes every new connection of this context unusable until its peer has passed a check.

    `vouched_by` sets the check of a connection. A connection without a check fails, and so does one
    whose check raises any exception. Works for asyncio, aiohttp and everything else that uses
    `wrap_bio`; `wrap_socket` fails.
    """
    context.sslobject_class = _VouchedObject
    context.sslsocket_class = _UnusableSocket


def vouched_by(tls: ssl.SSLObject, check: Check) -> None:
    """Sets the check of a new connection.

    Raises TypeError unless `vouch_first` has prepared the connection's context.
    """
    if not isinstance(tls, _VouchedObject):
        raise TypeError("expected a context from vouch_first")
    tls.check_peer = check


def _refuse_all(_: tuple[bytes, ...]) -> None:
    raise IdentityRefused("TLS connection", "created without an identity check")


class _VouchedObject(ssl.SSLObject):
    check_peer: Check = staticmethod(_refuse_all)
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
            # An event loop handles only SSLErrors here; any other error would leave the connection open.
            raise IdentityRefused(
                "identity check", "raised an unexpected error", "please report this"
            ) from error
        self._vouched = True

    # OpenSSL does a pending handshake in the first read or write, so both need the check, too.
    def read(self, *arguments: Any) -> Any:  # noqa: ANN401 - bytes, or a count if a buffer is given
        self._must_be_vouched()
        return super().read(*arguments)

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        self._must_be_vouched()
        return super().write(data)

    def _must_be_vouched(self) -> None:
        if not self._vouched:
            raise IdentityRefused("TLS connection", "used before the peer passed the check")


class _UnusableSocket(ssl.SSLSocket):
    @classmethod
    def _create(cls, *_: Any, **__: Any) -> Self:  # noqa: ANN401 - whatever wrap_socket gives
        raise TypeError("this context supports wrap_bio only")


# The value of _ssl.ENCODING_DER, for the private certificate objects before Python 3.13.
_ENCODING_DER: Final = 2


class _InnerCertificate(Protocol):
    def public_bytes(self, encoding: int, /) -> bytes: ...


def presented(tls: ssl.SSLObject | ssl.SSLSocket) -> tuple[bytes, ...]:
    """The certificates that a peer presented in a completed handshake, in DER, verified or not.

    Before Python 3.13 this uses a private method to get the chain, and returns only the leaf if
    Python lacks that method. The bytes come from the peer and may be hostile.
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
