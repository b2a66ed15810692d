"""The kubelet's port: what is presented is decided at every handshake, as Go's GetCertificate does it.

Python's ssl knows no such callback, but its callback for the server's name is called for every ClientHello, with or
without a name in it, and may put another context in place or answer with an alert (SSLContext.sni_callback). asyncio
drops the alert of a handshake that failed, so the TLS object says "more is wanted" once, which makes asyncio send what is
ready, and fails when the peer has answered or is gone.

A client certificate is asked for and never required. What Python cannot do: take one that no authority of ours has
signed, and go on; the handshake then ends with an alert, where a real kubelet answers 401.
"""

import asyncio
import contextlib
import socket
import ssl
from asyncio import sslproto
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Final

from aiohttp import web

from kubevouch_lab.disconnect import disconnect
from kubevouch_lab.ending import ended
from kubevouch_lab.kubelets.api import NO_CHECK_TIME
from kubevouch_lab.kubelets.key_pairs import Current, load_into
from kubevouch_lab.kubelets.log import Log
from kubevouch_lab.listening import listening_socket
from kubevouch_lab.objects import bracketed
from kubevouch_lab.pki import KeyPair

_PATIENCE: Final = 10.0
"""Real seconds for a handshake; after an alert so long for the peer to leave."""

_AT_ONCE: Final = 64
"""Connections taken before others have a turn."""

_BUFFER: Final = 32 * 1024

NO_CERTIFICATE: Final = "no serving certificate available for the kubelet"

_attempt: ContextVar["list[str]"] = ContextVar("_attempt")


class _LateFailure(ssl.SSLObject):
    """Fails a second late, so that the alert goes out. `why` tells the task that waits what has happened."""

    _why: "list[str] | None" = None
    _failed: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        if self._failed is not None:
            raise self._failed
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._failed = error
            raise ssl.SSLWantReadError from None


class KubeletPort:
    """Listens and hands every connection to the HTTP server; several may share one server.

    current: the pair to present, asked at each handshake; None refuses with alert 80 (internal_error).
    client_ca: PEM of the authorities of clients, asked at each handshake.
    """

    def __init__(
        self, current: Current, client_ca: Callable[[], bytes], http: web.Server, log: Log
    ) -> None:
        self._current = current
        self._client_ca = client_ca
        self._http = http
        self._log = log
        self._made: tuple[KeyPair, bytes, ssl.SSLContext] | None = None
        self._base = _plain_context()
        self._base.sni_callback = self._present
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: set[asyncio.BaseTransport] = set()
        self._held: set[socket.socket] = set()
        """Nobody serves them yet, or ever."""
        self.unresponsive = False
        """What comes is taken and never answered, as by a firewall that drops."""

    async def open(self, addresses: Sequence[str], port: int) -> int:
        """Binds and accepts from now on, at each address; returns the port. Raises OSError."""
        _thrifty()
        try:
            for address in addresses:
                made = listening_socket(address, port, 1024)
                self._sockets.append(made)
                asyncio.get_running_loop().add_reader(made, self._arrived, made)
                port = made.getsockname()[1]
        except OSError:
            await self.close()
            raise
        return port

    async def close(self) -> None:
        """As a process that ends: nobody is listening any more, and open connections break."""
        sockets, self._sockets = self._sockets, []
        for each in sockets:
            asyncio.get_running_loop().remove_reader(each)
            each.close()
        self._break()
        await ended(self._tasks)
        self._break()  # one may have been let in at the last moment

    def _break(self) -> None:
        for each in self._held:
            each.close()
        self._held.clear()
        for transport in tuple(self._open):
            if isinstance(transport, asyncio.WriteTransport):
                disconnect(transport)
        self._open.clear()

    def _start(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _arrived(self, listener: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, peer = listener.accept()
            except OSError:  # nobody is left, or whoever came is gone
                return
            accepted.setblocking(False)  # noqa: FBT003 - its only argument
            self._held.add(accepted)
            if not self.unresponsive:
                self._start(self._serve(accepted, f"{bracketed(peer[0])}:{peer[1]}"))

    async def _serve(self, accepted: socket.socket, peer: str) -> None:
        self._held.discard(accepted)
        why: list[str] = []
        _attempt.set(why)
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.connect_accepted_socket(
                self._http, accepted, ssl=self._base, ssl_handshake_timeout=_PATIENCE
            )
        except OSError as error:  # asyncio has closed it, or will
            said = why[0] if why else _go_words(error)
            if said:
                self._log.plain(f"http: TLS handshake error from {peer}: {said}")
            return
        self._open = {each for each in self._open if not each.is_closing()} | {transport}

    def _present(self, shaking: ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> int | None:
        pair = self._current()
        if pair is None:
            with contextlib.suppress(LookupError):
                _attempt.get().append(NO_CERTIFICATE)
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        shaking.context = self._context(pair)
        return None

    def _context(self, pair: KeyPair) -> ssl.SSLContext:
        authorities = self._client_ca()
        if self._made is not None and self._made[:2] == (pair, authorities):
            return self._made[2]
        context = _plain_context()
        load_into(context, pair)
        if authorities:
            with contextlib.suppress(ssl.SSLError, UnicodeDecodeError):
                context.load_verify_locations(cadata=authorities.decode())
        self._made = (pair, authorities, context)
        return context


def _thrifty() -> None:
    """Asyncio reserves 256 KiB for each end of a TLS connection; a thousand kubelets have thousands of ends."""
    sslproto.SSLProtocol.max_size = min(sslproto.SSLProtocol.max_size, _BUFFER)


def _plain_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= NO_CHECK_TIME
    # A ticket would be honoured by a later handshake without a look at the certificate.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.sslobject_class = _LateFailure
    return context


def _go_words(error: Exception) -> str:
    """Nothing for a peer that only looked in: Go's server keeps silent about it."""
    if isinstance(error, ssl.SSLError) and error.reason:
        alert = error.reason.removeprefix("TLSV1_ALERT_").removeprefix("SSLV3_ALERT_")
        return f"remote error: tls: {alert.lower().replace('_', ' ')}"
    return "EOF" if isinstance(error, ConnectionResetError) else ""
