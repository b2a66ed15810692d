"""One HTTP request to one API server, over aiohttp, with bounded time and size.

Follows no redirect, keeps no cookie and reads no environment variable. Raises only the errors of
`kube`. The caller handles credentials, retries and status codes.
"""

import asyncio
import contextlib
import functools
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Self

import aiohttp
from aiohttp import AddrInfoType
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from kubevouch import __version__
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.errors import (
    FellSilent,
    KubeconfigError,
    NotSent,
    ResponseTooLarge,
)
from kubevouch.kube.io.credentials import Credential, impersonation, unusable_pair
from kubevouch.kube.io.failures import failure
from kubevouch.tls import KeyPairError, TlsError
from kubevouch.tls.io.context import KeyPair, client_context
from kubevouch.x509 import X509Error

_IDLE: Final = 5
"""Seconds without a byte before a keepalive probe."""

_INTERVAL: Final = 3
_PROBES: Final = 3
_DEAD_AFTER: Final = _IDLE + _INTERVAL * _PROBES
"""Seconds until the kernel drops a connection whose peer acknowledges neither keepalives nor data."""

_OPTIONS: Final = (
    ("TCP_KEEPIDLE", _IDLE),
    ("TCP_KEEPALIVE", _IDLE),  # macOS's name for it
    ("TCP_KEEPINTVL", _INTERVAL),
    ("TCP_KEEPCNT", _PROBES),
    ("TCP_USER_TIMEOUT", 1000 * _DEAD_AFTER),
)


def watchful_socket(address: AddrInfoType) -> socket.socket:
    """An unconnected socket with TCP keepalives. Skips options that this system does not have."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS:
        if (option := getattr(socket, name, None)) is not None:
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made


@dataclass(frozen=True)
class ResponseLimits:
    """Limits of a request: seconds to connect, seconds in total, bytes of the decompressed body.

    For a response that is read line by line, `body` limits the bytes of a line, and `silence` the
    seconds without data.
    """

    connect: float = 10.0
    total: float = 30.0
    body: int = 64 * 1024 * 1024
    silence: float | None = None


@dataclass(frozen=True, repr=False)
class ApiRequest:
    """A request without the Authorization header. The body may contain a secret.

    target: the quoted path and query. headers: those of the caller; the transport adds others.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    limits: ResponseLimits
    body: bytes | None = None


@dataclass(frozen=True)
class ApiResponse:
    """A complete response. Header names are in lower case."""

    code: int
    headers: dict[str, str]
    body: bytes


_wanted: Final[ContextVar[Callable[[], bool] | None]] = ContextVar("wanted", default=None)


@contextlib.contextmanager
def only_while(wanted: Callable[[], bool]) -> Iterator[None]:
    """A request inside the block raises NotSent if `wanted()` is false right before the first byte is sent.

    An earlier check would not be enough: connecting takes time, and the process may be paused
    meanwhile.
    """
    before = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(before)


class _Request(aiohttp.ClientRequest):
    """A request that checks whether it is still wanted right before its first byte.

    A request with a body checks twice: when its connection is ready, and when its bytes go to the
    kernel. Between the checks, aiohttp yields to the event loop (Python 3.11), which takes
    milliseconds under load.
    """

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        self._check_wanted()
        return await super().send(conn)

    async def write_bytes(
        self,
        writer: AbstractStreamWriter,
        conn: aiohttp.connector.Connection,
        content_length: int | None = None,
    ) -> None:
        try:
            self._check_wanted()
        except NotSent as error:
            # Errors of this task are not read, so hand the error to the waiting caller.
            assert conn.protocol is not None
            conn.protocol.set_exception(error)
            return
        await super().write_bytes(writer, conn, content_length)

    def _check_wanted(self) -> None:
        wanted = _wanted.get()
        if wanted is not None and not wanted():
            seen = f"{self.method} {self.url.path} was not sent: no longer needed"
            raise NotSent(str(self.url.origin()), seen)


class _Connection(ResponseHandler):
    """A connection that closes at once. aiohttp's own connections wait for the peer's close_notify."""

    def close(self) -> None:
        self.abort()


class Transport:
    """Connections to one API server. Use with `async with`."""

    def __init__(self, access: ClusterAccess) -> None:
        self._access = access
        _check_url(access.server, f"{access.cluster}.server")
        _check_url(access.proxy, f"{access.cluster}.proxy-url")
        self._headers = [
            ("User-Agent", f"kubevouch/{__version__}"),
            *impersonation(access.user),
        ]
        self._context = self._context_for(None)
        self._pair: KeyPair | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(socket_factory=watchful_socket)
        # aiohttp has no public option; see test_a_request_that_is_given_up_leaves_nothing_open.
        kind: type[ResponseHandler] = _Connection
        connector._factory = functools.partial(kind, asyncio.get_running_loop())  # noqa: SLF001
        self._session = aiohttp.ClientSession(
            connector=connector,
            request_class=_Request,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=True,
        )
        # aiohttp would repeat PUT and DELETE after a broken connection, and has no public option
        # to turn that off. See test_a_write_is_never_sent_again.
        self._session._retry_connection = False  # noqa: SLF001
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send(self, asked: ApiRequest, credential: Credential) -> ApiResponse:
        """Sends a request and returns the response, with any status code. Raises KubeError."""
        async with self._asked(asked, credential) as response:
            return ApiResponse(
                response.status, _headers(response), await self._body(response, asked.limits.body)
            )

    async def lines(
        self, asked: ApiRequest, credential: Credential
    ) -> AsyncGenerator[ApiResponse | bytes, None]:
        """Streams a response line by line, as for a watch.

        Yields an ApiResponse first. With code 200 its body is empty, and the lines follow, without
        line ends. With any other code the response is complete, and nothing follows. Text after the
        last line end is dropped as truncated. Close the iterator if you leave it early. Raises
        KubeError, also between lines.
        """
        most = asked.limits.body
        async with self._asked(asked, credential) as response:
            if response.status != 200:
                body = await self._body(response, most)
                yield ApiResponse(response.status, _headers(response), body)
                return
            yield ApiResponse(response.status, _headers(response), b"")
            try:
                async with contextlib.aclosing(self._lines(response, most)) as lines:
                    async for line in lines:
                        yield line
            except TimeoutError:
                seen = f"sent no data for {asked.limits.silence:g} seconds"
                raise FellSilent(self._access.server, seen) from None

    async def _lines(
        self, response: aiohttp.ClientResponse, most: int
    ) -> AsyncGenerator[bytes, None]:
        pending = bytearray()
        async for chunk in response.content.iter_any():
            searched, begin = len(pending), 0
            pending += chunk
            while (end := pending.find(b"\n", max(begin, searched))) >= 0:
                yield bytes(pending[begin:end])
                begin = end + 1
            del pending[:begin]
            if len(pending) > most:
                response.close()
                where = f"{self._access.server}{response.url.path}"
                seen = f"a line of more than {most} bytes"
                raise ResponseTooLarge(where, seen, "the rest was not read")

    @contextlib.asynccontextmanager
    async def _asked(
        self, asked: ApiRequest, credential: Credential
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        server, proxy, limits = self._access.server, self._access.proxy, asked.limits
        # Secrets never go over plain HTTP, whatever the kubeconfig says.
        secret = credential.authorization if server.startswith("https:") else ""
        authorization = [("Authorization", secret)] if secret else []
        # A server delays a compressed stream until it has enough data to compress.
        encoding = "gzip" if self._access.compression and limits.silence is None else "identity"
        try:
            async with self._session.request(
                asked.method,
                URL(server + asked.target, encoded=True),
                headers=[
                    *self._headers,
                    ("Accept-Encoding", encoding),
                    *authorization,
                    *asked.headers,
                ],
                data=asked.body,
                allow_redirects=False,
                ssl=self._context_of(credential.pair),
                server_hostname=self._access.server_name or None,
                proxy=proxy or None,
                timeout=aiohttp.ClientTimeout(
                    limits.total, sock_connect=limits.connect, sock_read=limits.silence
                ),
            ) as response:
                yield response
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            # Without a cause, since aiohttp's errors carry the request's headers.
            raise failure(
                error,
                server=server,
                proxy=proxy,
                connect=limits.connect,
                total=limits.silence or limits.total,
                certificate=credential.pair is not None,
            ) from None

    async def _body(self, response: aiohttp.ClientResponse, most: int) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > most:
                response.close()
                where = f"{self._access.server}{response.url.path}"
                raise ResponseTooLarge(
                    where, f"a response of more than {most} bytes", "the rest was not read"
                )
        return bytes(body)

    def _context_of(self, pair: KeyPair | None) -> ssl.SSLContext:
        """The TLS context with this key pair. A new context is created only if the pair changes."""
        if pair != self._pair:
            self._context, self._pair = self._context_for(pair), pair
        return self._context

    def _context_for(self, pair: KeyPair | None) -> ssl.SSLContext:
        access = self._access
        where = f"{access.cluster}.certificate-authority"
        try:
            return client_context(roots=access.roots, pair=pair, verify=access.verify, where=where)
        except KeyPairError as error:
            raise unusable_pair(access.user, error) from None
        except (X509Error, TlsError) as error:
            raise KubeconfigError(error.where, error.seen, error.expected) from None


def _headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _check_url(url: str, where: str) -> None:
    """Raises KubeconfigError for a URL that aiohttp would reject later, with a less clear message."""
    try:
        URL(url, encoded=True)
    except ValueError as error:
        raise KubeconfigError(where, f"not a usable URL ({error})") from None
