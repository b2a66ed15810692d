"""TLS for our servers: contexts with explicit flags, their replacement at run time, and connections.

Go's server asks a client for a certificate, accepts any, and verifies it later. Python cannot do
that: a client certificate from an unknown CA ends the handshake (alert unknown_ca), where Go's
server answers 401. A certificate that passes is verified again for each request, by `x509.verify`:
against the client CA or the front proxy's CA, and at the time of the caller's clock.
"""

import asyncio
import asyncio.sslproto
import contextlib
import socket
import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from kubevouch.tls.io.context import AS_GO_VERIFIES, NO_CHECK_TIME, KeyPair, load_key_pair, trust
from kubevouch.tls.io.identity import presented

# Go's server offers these for TLS 1.2 by default (crypto/tls/defaults.go, 1.26), without CBC:
# every client of an API server has AEAD suites.
_SUITES: Final = ("ECDHE+AESGCM", "ECDHE+CHACHA20")


# OpenSSL before 3.5 accepts ffdhe8192, which costs the server 0.1 s of CPU in each handshake, and
# an attacker nothing (CVE-2002-20001). Python before 3.15 can set only one group. Every client
# supports this group, also in FIPS mode.
_GROUP: Final = "prime256v1"
_GROUPS_ARE_CHEAP: Final = (3, 5)


@dataclass(frozen=True, slots=True)
class ServerTlsSettings:
    """The minimum TLS version of a server, and its TLS 1.2 suites, by OpenSSL's names.

    The TLS 1.3 suites are fixed.
    """

    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    suites: tuple[str, ...] = _SUITES


_DEFAULT: Final = ServerTlsSettings()


def server_context(
    pair: KeyPair,
    *,
    client_roots: bytes | None = None,
    where: str,
    settings: ServerTlsSettings = _DEFAULT,
) -> ssl.SSLContext:
    """A server context for a key pair.

    Args:
        pair: the serving certificate and its key.
        client_roots: the CAs for client certificates, in PEM. Clients need not present a
            certificate. Empty bytes: every certificate is rejected. None: none is requested.
        where: the source of the pair, for errors.
        settings: the minimum TLS version, and the suites to offer.

    Raises:
        KeyPairError: the pair cannot be used.
        X509Error, RootsError: `client_roots` has no certificate, or an invalid one.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = settings.minimum
    # No session tickets: each handshake verifies the client, with the current CAs.
    context.options = (
        ssl.OP_ALL
        | ssl.OP_NO_COMPRESSION
        | ssl.OP_NO_RENEGOTIATION
        | ssl.OP_NO_TICKET
        | ssl.OP_CIPHER_SERVER_PREFERENCE
    )
    context.num_tickets = 0
    context.set_ciphers(":".join(("@SECLEVEL=1", *settings.suites)))
    context.set_alpn_protocols(["http/1.1"])
    if ssl.OPENSSL_VERSION_INFO < _GROUPS_ARE_CHEAP:
        context.set_ecdh_curve(_GROUP)
    context.verify_flags = AS_GO_VERIFIES | NO_CHECK_TIME
    if client_roots is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        if client_roots.strip():
            trust(context, client_roots, "client authorities")
    load_key_pair(context, pair, where=where)
    return context


class ServerTls:
    """A listener's TLS context, which `replace` can change for later handshakes.

    named: contexts by server name (SNI): a name in lower case, or a wildcard such as
    `*.example.com`.
    """

    def __init__(
        self, context: ssl.SSLContext, named: Mapping[str, ssl.SSLContext] | None = None
    ) -> None:
        self._current = context
        self._named = named or {}
        self.context = context
        context.sni_callback = self._chosen

    def replace(
        self, context: ssl.SSLContext, named: Mapping[str, ssl.SSLContext] | None = None
    ) -> None:
        """Uses other contexts from the next handshake on. Open connections are not affected.

        The TLS versions, the suites, and whether to request client certificates cannot change:
        OpenSSL takes these from the context given to the constructor.
        """
        self._current = context
        self._named = named or {}

    def _chosen(self, connection: ssl.SSLObject, name: str | None, first: ssl.SSLContext) -> None:
        """The SNI callback, which chooses a context by server name.

        OpenSSL also calls it if the client sent no server name.
        """
        asked = (name or "").lower().rstrip(".")
        rest = asked.partition(".")[2]
        wanted = self._named.get(asked) or self._named.get(f"*.{rest}") or self._current
        if wanted is not first:
            connection.context = wanted


class _NoUnreadableNames:
    """A `sys.unraisablehook` that drops errors about non-ASCII server names, and no others."""

    def __init__(self, otherwise: Callable[["sys.UnraisableHookArgs"], object]) -> None:
        self._otherwise = otherwise

    def __call__(self, found: "sys.UnraisableHookArgs") -> None:
        # The name is the object; from Python 3.14 on it is in the message.
        of_a_name = isinstance(found.object, bytes) or "servername" in (found.err_msg or "")
        if not (isinstance(found.exc_value, UnicodeDecodeError) and of_a_name):
            self._otherwise(found)


def ignore_unreadable_names() -> None:
    """Hides Python's errors about non-ASCII server names (SNI). Those handshakes still fail.

    Without this, any client can make Python print seven lines to standard error.
    """
    if not isinstance(sys.unraisablehook, _NoUnreadableNames):
        sys.unraisablehook = _NoUnreadableNames(sys.unraisablehook)


def client_chain(connection: ssl.SSLObject) -> tuple[bytes, ...]:
    """A client's certificates, in DER, leaf first; empty if it presented none.

    Reads the leaf first: Python's method for the chain fails without a certificate (3.11 to 3.13).
    """
    return presented(connection) if connection.getpeercert(binary_form=True) else ()


_RECORD: Final = 16 * 1024
"""The size of the largest TLS record, and of the read buffer, in bytes."""
_SHUTDOWN: Final = 1.0
MOST_UNASKED: Final = 64 * 1024
"""The most bytes, including TLS overhead, that a client may send before a request is complete.

The headers of a user with 500 groups take half of this.
"""


class ServerConnection:
    """A server's accepted connection. It owns the socket.

    asyncio's TLS allocates 256 KiB per connection (docs/internals/decisions/0004). `create_server`
    reports a connection only after its handshake, so the number of unfinished ones could not be
    limited. Here a connection uses only its socket until the client sends, then a buffer of one
    record.

    protocol: returns a receiver of the decrypted bytes; called when the client starts to send.
    context: returns the current TLS context. opened: called after the handshake. closed: called
    once, when either side closes the connection.
    """

    def __init__(
        self,
        accepted: socket.socket,
        *,
        protocol: Callable[[], asyncio.Protocol],
        context: Callable[[], ssl.SSLContext],
        handshake_timeout: int,
        opened: Callable[[], None],
        closed: Callable[[], None],
    ) -> None:
        self._accepted = accepted
        self._make_protocol = protocol
        self._context = context
        self._handshake_timeout = handshake_timeout
        self._opened = opened
        self._closed = closed
        self._tls: _Tls | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        asyncio.get_running_loop().add_reader(accepted, self._readable)

    def client_chain(self) -> tuple[bytes, ...]:
        """The client's certificates, in DER, verified in the handshake. Empty if it sent none."""
        tls = self._tls.ssl_object if self._tls else None
        return client_chain(tls) if tls is not None else ()

    def asked(self) -> None:
        """Resets the count of received bytes. Called when a request is complete."""
        if self._tls is not None:
            self._tls.unasked = 0

    def abort(self) -> None:
        """Closes the connection at once, without waiting for the peer."""
        if self._transport is not None:
            self._transport.abort()
        elif self._beginning is not None:
            self._beginning.cancel()
        else:
            self._close_socket()

    def _readable(self) -> None:
        try:
            gone = not self._accepted.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            gone = True
        if gone:
            self._close_socket()
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._accepted)
        self._beginning = loop.create_task(self._begin())
        self._beginning.add_done_callback(self._begun)

    async def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        waiter.add_done_callback(self._waited)
        tls = self._tls = _Tls(
            loop,
            self._make_protocol(),
            self._context(),
            waiter,
            server_side=True,
            ssl_handshake_timeout=self._handshake_timeout,
            ssl_shutdown_timeout=_SHUTDOWN,
        )
        tls.lost = self._lost
        self._transport, _ = await loop.connect_accepted_socket(lambda: tls, self._accepted)

    def _begun(self, beginning: "asyncio.Task[None]") -> None:
        # A cancelled task may never have run. Failures of unknown clients are not logged.
        if beginning.cancelled() or beginning.exception() is not None:
            self._accepted.close()
            self._lost()

    def _close_socket(self) -> None:
        with contextlib.suppress(ValueError):
            asyncio.get_running_loop().remove_reader(self._accepted)
        self._accepted.close()
        self._lost()

    def _waited(self, waiter: "asyncio.Future[None]") -> None:
        # Retrieves an error, so that the event loop does not log it as never retrieved.
        if not waiter.cancelled() and waiter.exception() is None:
            self._opened()

    def _lost(self) -> None:
        closed = self._closed
        # Break reference cycles: with many connections the garbage collector would run too late.
        self._closed = self._opened = _nothing
        self._make_protocol = asyncio.Protocol
        if self._tls is not None:
            self._tls.lost = _nothing
        closed()


class _Tls(asyncio.sslproto.SSLProtocol):
    """asyncio's TLS with a buffer of one record."""

    max_size = _RECORD
    lost: Callable[[], None]
    unasked = 0
    """The number of bytes received since the last complete request."""

    def buffer_updated(self, nbytes: int) -> None:
        """Aborts the connection if a client sends too many bytes without completing a request."""
        self.unasked += nbytes
        if self.unasked <= MOST_UNASKED:
            super().buffer_updated(nbytes)
        elif isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()

    @property
    def ssl_object(self) -> ssl.SSLObject | None:
        """The `ssl` object; None before the handshake is complete."""
        return self._extra.get("ssl_object")

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.lost()


def _nothing() -> None:
    """A callback that does nothing."""
