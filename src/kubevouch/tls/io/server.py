"""TLS of our servers: contexts with explicit flags, their replacement at run time, and connections.

Go's server asks a client for a certificate, accepts any, and verifies it later. Python cannot do
that: a certificate of an unknown CA ends the handshake (alert unknown_ca), where Go's server would
answer 401. `x509.verify` verifies a signed one again, against the right pool and by the injected
clock.
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

from kubevouch.tls.io.context import NO_CHECK_TIME, KeyPair, load_key_pair, trust
from kubevouch.tls.io.identity import presented

# Go's server offers these for TLS 1.2 by default (crypto/tls/defaults.go, 1.26), without CBC:
# every client of an API server has AEAD suites.
_SUITES: Final = ("ECDHE+AESGCM", "ECDHE+CHACHA20")


# Before 3.5 OpenSSL agrees to ffdhe8192, which costs a server 0.1 s of processor in each
# handshake, and a stranger nothing (CVE-2002-20001). Python before 3.15 can name only one group:
# every client knows this one, also under FIPS rules.
_GROUP: Final = "prime256v1"
_GROUPS_ARE_CHEAP: Final = (3, 5)


@dataclass(frozen=True, slots=True)
class ServerTlsSettings:
    """What a server offers. suites: for TLS 1.2, by OpenSSL's names; those of TLS 1.3 cannot be chosen."""

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
        client_roots: CAs of client certificates, in PEM; empty accepts none. Clients are asked for
    a certificate, but need not present one. None does not ask.
        where: the source of the pair, for errors.
        settings: what to offer.

    Raises:
        KeyPairError: the pair cannot be used.
        X509Error, RootsError: `client_roots` holds no certificate, or a broken one.
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
    context.verify_flags = (
        ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
        | ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        | NO_CHECK_TIME
    )
    if client_roots is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        if client_roots.strip():
            trust(context, client_roots, "client authorities")
    load_key_pair(context, pair, where=where)
    return context


class ServerTls:
    """A listener's context; `replace` sets its successor for new handshakes at any time.

    named: contexts for clients that send a server name, by lower-case names, or by `*.` and a name
    without its first part.
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

        Whether to ask for client certificates, and what to offer, cannot change: OpenSSL takes
        these from the first context.
        """
        self._current = context
        self._named = named or {}

    def _chosen(self, connection: ssl.SSLObject, name: str | None, first: ssl.SSLContext) -> None:
        """OpenSSL calls it in each handshake, with or without the client's server name."""
        asked = (name or "").lower().rstrip(".")
        rest = asked.partition(".")[2]
        wanted = self._named.get(asked) or self._named.get(f"*.{rest}") or self._current
        if wanted is not first:
            connection.context = wanted


class _NoUnreadableNames:
    """An unraisable hook that drops errors about a non-ASCII server name and passes on all others."""

    def __init__(self, otherwise: Callable[["sys.UnraisableHookArgs"], object]) -> None:
        self._otherwise = otherwise

    def __call__(self, found: "sys.UnraisableHookArgs") -> None:
        # The name is the object; from Python 3.14 on it is in the message.
        of_a_name = isinstance(found.object, bytes) or "servername" in (found.err_msg or "")
        if not (isinstance(found.exc_value, UnicodeDecodeError) and of_a_name):
            self._otherwise(found)


def ignore_unreadable_names() -> None:
    """Silences errors about clients with a non-ASCII server name: only their handshake fails.

    Python would print seven lines to standard error, among the log's, for each ClientHello of a
    stranger.
    """
    if not isinstance(sys.unraisablehook, _NoUnreadableNames):
        sys.unraisablehook = _NoUnreadableNames(sys.unraisablehook)


def client_chain(connection: ssl.SSLObject) -> tuple[bytes, ...]:
    """A client's certificates, in DER, leaf first; empty if it presented none.

    Without a certificate Python's method for the chain fails (3.11 to 3.13), so the leaf is read
    first.
    """
    return presented(connection) if connection.getpeercert(binary_form=True) else ()


_RECORD: Final = 16 * 1024
"""Bytes of the largest TLS record, and of each read."""
_SHUTDOWN: Final = 1.0
MOST_UNASKED: Final = 64 * 1024
"""Bytes, with TLS, between two requests, or before the first. Headers for somebody with 500
groups take half of it."""


class ServerConnection:
    """An accepted connection of a server, which owns its socket.

    asyncio's TLS holds a buffer of 256 KiB a connection (docs/internals/decisions/0004).
    `create_server` reports a connection only after its handshake, so a stranger could have any
    number of them. Here a silent connection holds nothing but its socket, and every other one a
    buffer of one record.

    protocol: creates the receiver of decrypted bytes, once the client has started to send. context:
    returns the current one. shaken: called after the handshake. closed: called once, when either
    side closes the connection.
    """

    def __init__(
        self,
        accepted: socket.socket,
        *,
        protocol: Callable[[], asyncio.Protocol],
        context: Callable[[], ssl.SSLContext],
        handshake_timeout: int,
        shaken: Callable[[], None],
        closed: Callable[[], None],
    ) -> None:
        self._accepted = accepted
        self._make_protocol = protocol
        self._context = context
        self._handshake_timeout = handshake_timeout
        self._shaken = shaken
        self._closed = closed
        self._tls: _Tls | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        asyncio.get_running_loop().add_reader(accepted, self._readable)

    def client_chain(self) -> tuple[bytes, ...]:
        """The client's certificates, in DER, verified by the context; empty if it has none."""
        shaken = self._tls.ssl_object if self._tls else None
        return client_chain(shaken) if shaken is not None else ()

    def asked(self) -> None:
        """A request is complete, so the same amount may arrive again."""
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
        """The client has sent something, or is gone."""
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
        """Starts the handshake."""
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
        # It may have been cancelled before its first step. A stranger's failures are not worth a
        # log line.
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
            self._shaken()

    def _lost(self) -> None:
        closed = self._closed
        # Break reference cycles: under a crowd of strangers the garbage collector would come too
        # late.
        self._closed = self._shaken = _nothing
        self._make_protocol = asyncio.Protocol
        if self._tls is not None:
            self._tls.lost = _nothing
        closed()


class _Tls(asyncio.sslproto.SSLProtocol):
    """asyncio's TLS with a buffer of one record."""

    max_size = _RECORD
    lost: Callable[[], None]
    unasked = 0
    """Bytes received since the last request."""

    def buffer_updated(self, nbytes: int) -> None:
        """Received data stays until there is a request, so a client without requests must not fill the memory."""
        self.unasked += nbytes
        if self.unasked <= MOST_UNASKED:
            super().buffer_updated(nbytes)
        elif isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()

    @property
    def ssl_object(self) -> ssl.SSLObject | None:
        """The connection of OpenSSL after the handshake."""
        return self._extra.get("ssl_object")

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.lost()


def _nothing() -> None:
    """Called when there is nothing left to do."""
