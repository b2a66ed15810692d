"""Fetches a page, such as /metrics/resource, from a kubelet after verifying its certificate.

Before we send a token or any byte of HTTP, OpenSSL verifies the chain and the name, and we verify
both by Go's rules. The certificate must name exactly this node (`misnamed`): a kubelet with a
trusted certificate for another node gets nothing, even at the same address. We follow no redirects,
and limit every length and time, including the decompressed length.

An unverified kubelet gets nothing, or with --kubelet-insecure-tls a request without a credential.

Later fetches from a node use the same connection. After ten minutes, or when the certificate
expires, a new verified connection replaces it. An unverified connection is replaced after a minute.

If Go has a text for an error, we use that text, so it is the same as in metrics-server's log.
"""

import contextlib
import functools
from datetime import datetime
from typing import Final
from urllib.parse import quote

from kubevouch import __version__
from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kubelet.dial_result import Target
from kubevouch.kubelet.errors import KubeletError
from kubevouch.kubelet.io.dial import readable_chain
from kubevouch.kubelet.io.handshake import TlsConnector
from kubevouch.kubelet.io.names import NameResolver
from kubevouch.kubelet.io.stream import TlsStream, TooMuchIgnored
from kubevouch.kubelet.io.time_limits import TimeLimits
from kubevouch.kubelet.io.trust import KubeletTrust, PeerRefused, check_chain, read_chain
from kubevouch.kubelet.response import ResponseError, ResponseReader, TooLong
from kubevouch.tls import FailureKind, joined
from kubevouch.tls.io.accidents import Attempt, failure_of
from kubevouch.tls.io.identity import IdentityRefused
from kubevouch.x509 import Certificate, printable

LONGEST_KEPT: Final = 600.0
"""Seconds to keep a verified connection."""
LONGEST_UNVERIFIED: Final = 60.0
"""Seconds to keep an unverified connection. By then the kubelet may have a valid certificate."""
_LONGEST_TEXT: Final = 2000
"""The maximum length of an error text in characters. A node can make its path, names and status
very long, and each log line repeats them."""
_GZIP_DIVISOR: Final = 4
"""The limit of a gzip body is the limit of a body divided by this. gzip shrinks real pages to
between a quarter and a fifteenth, below 1 MiB. Decompressing 1 MiB of gzip takes 75 ms of CPU,
even if the result is empty."""
_NAMED: Final = frozenset({401, 403, 404})
"""HTTP statuses with their own reason in FetchFailed: the token, its permissions or the path is
wrong."""
# Characters that a path may contain; Go's url.URL escapes all others, even line breaks.
_SAFE: Final = "/$&+,:;=@!*'()~"


class FetchFailed(KubeletError):
    """The fetch of a page from a kubelet failed.

    reason: the value of a FailureKind or x509.VerifyReason, or one of the following. "http-401",
    "http-403", "http-404", "http-5xx", "http-other": the response's status, which `text` contains.
    "no-answer": the connection broke during HTTP, or the response is invalid. "too-large": the page
    is too long. "deadline": the time ran out. The set of reasons is fixed, since each becomes a
    label value of our metrics. text: as metrics-server logs it, truncated if very long. chain: the
    certificates of an unverified peer.
    """

    def __init__(
        self, where: str, reason: str, text: str, chain: tuple[Certificate, ...] = ()
    ) -> None:
        text = _cut(text)
        super().__init__(_cut(where), text)
        self.reason = reason
        self.text = text
        self.chain = chain


class KubeletClient:
    """The client of one node's kubelet, with its connection. Close it after use. `target.node` is required.

    clock: the time for verifying certificates. names: resolves the target's address if it is a
    name. limits: the time limits of fetches; all clients of an event loop should share them.
    unverified: whether to fetch from an unverified kubelet, too, without any credential.
    """

    def __init__(
        self,
        target: Target,
        trust: KubeletTrust,
        *,
        clock: Clock,
        names: NameResolver,
        limits: TimeLimits | None = None,
        unverified: bool = False,
    ) -> None:
        self.target = target
        self.trust = trust
        self._clock = clock
        self._names = names
        self._limits = limits or TimeLimits()
        self._unverified = unverified
        self._host = joined(target.address, target.port)
        # A node writes its own addresses, and logs and Events show the URL.
        self._shown = f"https://{printable(self._host)}"
        self._stream: TlsStream | None = None
        self._until = 0.0
        self._valid_until: datetime | None = None
        self._presented: tuple[Certificate, ...] = ()
        self._asked = ("", "")
        self._written = b""
        """The encoded request for the path and Authorization header in `_asked`."""
        self._doubt: FetchFailed | None = None
        """Why the open connection's peer is unverified; None if it was verified."""
        self.was_doubted = ""
        """Why the last fetch's peer was unverified, or "". Remains after the connection closes."""

    async def page(self, path: str, authorization: str, *, timeout: float, most: int) -> bytes:
        """Fetches the page at `path`, and returns its body. Raises FetchFailed.

        authorization: the header's value. timeout: seconds in total. most: the limit of the body in
        bytes; a gzip body may have a quarter as many.
        """
        try:
            return await self._page(path, authorization, timeout, most)
        except FetchFailed as error:
            # Its frames hold all received data, and some hold the error itself: each failure
            # would leave up to 8 MiB to the garbage collector.
            error.__cause__ = error.__context__ = None
            raise error.with_traceback(None)  # noqa: B904 - the same exception

    async def _page(self, path: str, authorization: str, timeout: float, most: int) -> bytes:
        self.was_doubted = self._doubt.text if self._doubt else ""
        escaped = quoted(path)
        url = f"{self._shown}{escaped}"
        try:
            with self._limits.within(timeout):
                answer = await self._exchange(url, escaped, authorization, timeout, most)
        except TimeoutError:
            self.close()
            raise self._failed(url, "deadline", "context deadline exceeded") from None
        except BaseException:
            self.close()
            raise
        doubt = self._doubt
        if not answer.reusable:
            self.close()
        if answer.status != 200:
            raise self._refused(url, answer, doubt)
        return answer.content

    def close(self) -> None:
        """Closes the kept connection."""
        self._doubt = None
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _request(self, path: str, authorization: str) -> bytes:
        asked = (path, authorization if self._doubt is None else "")
        if asked != self._asked:
            self._asked, self._written = asked, _request(self._host, *asked)
        return self._written

    async def _exchange(
        self, url: str, path: str, authorization: str, timeout: float, most: int
    ) -> ResponseReader:
        if self._stream is not None and not self._is_fresh():
            self.close()
        kept = self._stream is not None
        while True:
            stream = self._stream or await self._connect(url, timeout)
            answer = ResponseReader(most, most_packed=most // _GZIP_DIVISOR)
            try:
                request = self._request(path, authorization)
                return await _asked(stream, request, answer, 1000 + most // 1024)
            except ResponseError as error:
                raise self._bad_answer(url, error) from None
            except OSError as error:
                self.close()
                failed = self._failed(url, "no-answer", self._broken_connection(error))
                if not kept or answer.begun:
                    raise failed from None
                # The kubelet had closed the idle connection. That is not a failure: a GET may go
                # out again, over a newly verified connection.
                kept = False

    def _bad_answer(self, url: str, error: ResponseError) -> FetchFailed:
        if isinstance(error, TooLong):
            return self._failed(url, "too-large", str(error))
        return self._failed(url, "no-answer", f"net/http: {error}")

    def _refused(self, url: str, answer: ResponseReader, doubt: FetchFailed | None) -> FetchFailed:
        said = printable(answer.said)
        if doubt is None:
            return FetchFailed(
                url, _status_reason(answer.status), f'request failed, status: "{said}"'
            )
        # The connection is kept; Go's text names the present time, so it is computed anew for
        # each line.
        doubt = self._go_reason(url, doubt.chain) or doubt
        text = f'{doubt.text}; without a token, the kubelet answered "{said}". `kubevouch plan` can fix this'
        return FetchFailed(url, doubt.reason, text, doubt.chain)

    def _broken_connection(self, error: OSError) -> str:
        if isinstance(error, (_Ended, TooMuchIgnored)):
            return str(error)
        found = failure_of(error, Attempt(self._host, connected=True))
        return found.go_text or found.text

    def _is_fresh(self) -> bool:
        ends = self._valid_until
        return self._clock.monotonic() < self._until and (ends is None or self._clock.now() < ends)

    def _connector(self) -> TlsConnector:
        # The address is also the name: OpenSSL then verifies it, and sends no SNI.
        address = self.target.address
        return TlsConnector(address, self.target.port, address, self._names)

    async def _connect(self, url: str, timeout: float) -> TlsStream:
        self.was_doubted = ""
        connector = self._connector()
        try:
            stream = await connector.open(self.trust.verifying, timeout, self._check_identity)
        except TimeoutError:
            raise
        except IdentityRefused as error:
            doubt = self._not_the_node(url, error)
            if not self._unverified:
                raise doubt from None
        except (OSError, ValueError, OverflowError) as error:
            self._names.forget(self.target.address)
            failure = failure_of(error, connector.attempt)
            doubt = self._failed(url, str(failure.kind), failure.go_text or failure.text)
            if failure.kind is not FailureKind.NOT_TRUSTED:
                raise doubt from None
        else:
            self._keep(stream, LONGEST_KEPT)
            return stream
        return await self._connect_unverified(url, doubt, timeout)

    def _not_the_node(self, url: str, error: IdentityRefused) -> FetchFailed:
        """The failure for a peer that our own verification rejected.

        This is a separate method, since a local variable for the cause would form a reference cycle
        with the traceback.
        """
        cause = error.__cause__
        reason = cause.reason if isinstance(cause, PeerRefused) else str(FailureKind.WRONG_IDENTITY)
        return self._failed(url, reason, _words(cause or error), self._presented)

    async def _connect_unverified(self, url: str, doubt: FetchFailed, timeout: float) -> TlsStream:
        """Opens a connection to an unverified peer, or raises `doubt` if that is not allowed.

        doubt: why the first handshake failed. If OpenSSL rejected the chain, we know neither the
        chain nor Go's error. This second handshake gets the chain, and we compute Go's error.
        """
        context = self.trust.accepting if self._unverified else self.trust.inspecting
        connector = self._connector()
        try:
            stream = await connector.open(context, timeout)
        except (OSError, ValueError):
            raise doubt from None
        self._presented, _ = readable_chain(connector.presented, self._host)
        if doubt.reason == FailureKind.NOT_TRUSTED and self._presented:
            doubt = self._go_reason(url, self._presented) or doubt
        if not self._unverified:
            with contextlib.closing(stream):
                await stream.end()
            raise doubt from None
        self._keep(stream, LONGEST_UNVERIFIED, doubt)
        return stream

    def _go_reason(self, url: str, presented: tuple[Certificate, ...]) -> FetchFailed | None:
        """Why our own verifier distrusts the chain. None if the chain is trusted or empty."""
        if not presented:
            return None
        try:
            check_chain(presented, self.target, self.trust.roots, self._clock)
        except PeerRefused as refused:
            return self._failed(url, refused.reason, refused.seen, presented)
        return None

    def _keep(self, stream: TlsStream, seconds: float, doubt: FetchFailed | None = None) -> None:
        self._stream, self._doubt, self._presented = stream, doubt, ()
        self.was_doubted = doubt.text if doubt else ""
        self._until = self._clock.monotonic() + seconds
        if doubt is not None:
            self._valid_until = None

    def _check_identity(self, peer: tuple[bytes, ...]) -> None:
        """Verifies the peer's certificate by our own rules, before any application data is sent.

        Raises PeerRefused.
        """
        self._presented = ()
        self._presented = read_chain(peer, self._host)
        check_chain(self._presented, self.target, self.trust.roots, self._clock)
        self._valid_until = min(found.not_after for found in self._presented)

    def _failed(
        self, url: str, reason: str, text: str, presented: tuple[Certificate, ...] = ()
    ) -> FetchFailed:
        return FetchFailed(url, reason, f'Get "{url}": {printable(text)}', presented)


class _Ended(OSError):
    """The connection ended before the response was complete."""


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."


def _status_reason(status: int) -> str:
    if status in _NAMED:
        return f"http-{status}"
    return "http-5xx" if 500 <= status < 600 else "http-other"


def _words(error: BaseException) -> str:
    return error.seen if isinstance(error, KubevouchError) else str(error)


@functools.lru_cache(maxsize=8)
def quoted(path: str) -> str:
    """A path as Go's url.URL writes it: escaped, with a leading slash.

    Cached, since nearly all nodes have the same path.
    """
    escaped = quote(path, safe=_SAFE)
    return escaped if escaped.startswith("/") else f"/{escaped}"


def _request(host: str, path: str, authorization: str) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        f"User-Agent: kubevouch/{__version__}",
        "Accept: text/plain",
        "Accept-Encoding: gzip",
    ]
    if authorization:
        lines.append(f"Authorization: {authorization}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _asked(
    stream: TlsStream, request: bytes, answer: ResponseReader, pieces: int
) -> ResponseReader:
    """Sends a request and reads the response. pieces: the maximum number of reads from the socket."""
    await stream.send(request)
    while not answer.done:
        data = await stream.receive()
        pieces -= 1
        if pieces < 0:
            raise ResponseError("a response in too many small parts")
        if not data:
            raise _Ended("unexpected EOF" if answer.begun else "EOF")
        answer.feed(data)
    return answer
