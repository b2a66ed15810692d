"""Fetches a page from one kubelet with a token, after its certificate has been verified to be that node's.

Three checks pass before the token or any byte of HTTP is sent: OpenSSL's verification of chain and name, our own (as
Go does it), and that the certificate names this very node (CN `system:node:<name>`, O `system:nodes`). A kubelet with a
certificate of the right authority for another node, even with the same address, gets nothing. No redirect is followed,
nothing is compressed, and every length and time is bounded.

A connection is kept for further fetches and belongs to one node. It is replaced, and so verified again, after ten
minutes or when its certificate expires.

Errors have the texts of metrics-server's log where Go has one, so that operators can compare.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import quote

from kubevouch import __version__
from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kubelet.dial_result import Target
from kubevouch.kubelet.errors import KubeletError
from kubevouch.kubelet.io.dial import dial_all
from kubevouch.kubelet.io.handshake import TlsConnector
from kubevouch.kubelet.io.stream import TlsStream
from kubevouch.kubelet.response import ResponseError, ResponseReader, TooLong
from kubevouch.tls import FailureKind, HandshakeFailure, joined
from kubevouch.tls.io import (
    Attempt,
    IdentityRefused,
    PresentedCertificate,
    client_context,
    failure_of,
    vouch_first,
)
from kubevouch.x509 import (
    Certificate,
    X509Error,
    node_name_of,
    printable,
    read_certificate_der,
    read_certificates,
    verify,
)
from kubevouch.x509.reasons import TLS_PREFIX

LONGEST_KEPT: Final = 600.0
"""Seconds for which a connection is kept."""
_MOST_CERTIFICATES: Final = 16
# Characters that may stand in a path; Go's url.URL escapes all others, also line breaks.
_SAFE: Final = "/$&+,:;=@!*'()~"


class FetchFailed(KubeletError):
    """The page could not be fetched. reason: a word of FailureKind or x509.VerifyReason, or one of those below.

    "http-401", "http-403" and so on: the status of the response. "no-answer": the connection broke during HTTP.
    "too-large": the page is too long. "deadline": the time ran out. text: as metrics-server logs it.
    """

    def __init__(self, where: str, reason: str, text: str) -> None:
        super().__init__(where, text)
        self.reason = reason
        self.text = text

    @property
    def timed_out(self) -> bool:
        """Whether the time ran out, which metrics-server logs in other words."""
        return self.reason == "deadline"


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


class VerifiedKubelet:
    """The kubelet of one node, with its connection, which must be closed. `target.node` must be given.

    check_time: False if `clock` is not the machine's clock, which OpenSSL reads. Our own verifier always uses `clock`.
    """

    def __init__(
        self, target: Target, roots: KubeletRoots, *, clock: Clock, check_time: bool = True
    ) -> None:
        self.target = target
        self._roots = roots
        self._clock = clock
        self._context = client_context(roots=roots.pem, check_time=check_time)
        vouch_first(self._context, self._check_identity)
        self._host = joined(target.address, target.port)
        self._stream: TlsStream | None = None
        self._until = 0.0
        self._valid_until: datetime | None = None

    async def page(self, path: str, authorization: str, *, timeout: float, most: int) -> bytes:
        """The body of a page. authorization: the header's value. timeout: seconds in total. most: bytes. Raises FetchFailed."""
        url = f"https://{self._host}{quoted(path)}"
        request = self._request(quoted(path), authorization)
        try:
            async with asyncio.timeout(timeout):
                answer = await self._exchange(url, request, timeout, most)
        except TimeoutError:
            self.close()
            raise self._failed(url, "deadline", "context deadline exceeded") from None
        except BaseException:
            self.close()
            raise
        if not answer.reusable:
            self.close()
        if answer.status != 200:
            text = f'request failed, status: "{printable(answer.said)}"'
            raise FetchFailed(url, f"http-{answer.status}", text)
        return bytes(answer.body)

    def close(self) -> None:
        """Closes the kept connection."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _request(self, path: str, authorization: str) -> bytes:
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {self._host}",
            f"User-Agent: kubevouch/{__version__}",
            "Accept: text/plain",
            "Accept-Encoding: identity",
        ]
        if authorization:
            lines.append(f"Authorization: {authorization}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def _exchange(
        self, url: str, request: bytes, timeout: float, most: int
    ) -> ResponseReader:
        if self._stream is not None and not self._is_fresh():
            self.close()
        kept = self._stream is not None
        while True:
            stream = self._stream or await self._connect(url, timeout)
            answer = ResponseReader(most)
            try:
                return await _asked(stream, request, answer, 1000 + most // 1024)
            except TooLong as error:
                raise self._failed(url, "too-large", str(error)) from None
            except ResponseError as error:
                raise self._failed(url, "no-answer", f"net/http: {error}") from None
            except OSError as error:
                self.close()
                if kept and not answer.begun:
                    # The kubelet had closed the idle connection, which is not a failure: a GET may be sent again.
                    kept = False
                    continue
                raise self._failed(url, "no-answer", self._broken_connection(error)) from None

    def _broken_connection(self, error: OSError) -> str:
        """The failure for a connection that broke after its handshake."""
        if isinstance(error, _Ended):
            return str(error)
        found = failure_of(error, Attempt(self._host, connected=True))
        return found.go_text or found.text

    def _is_fresh(self) -> bool:
        ends = self._valid_until
        return self._clock.monotonic() < self._until and (ends is None or self._clock.now() < ends)

    async def _connect(self, url: str, timeout: float) -> TlsStream:
        # The address is given as the name, too: OpenSSL then checks it, and sends no SNI.
        address = self.target.address
        connector = TlsConnector(address, self.target.port, self.target.server_name or address)
        try:
            stream = await connector.open(self._context, timeout)
        except TimeoutError:
            raise
        except (OSError, ValueError, OverflowError) as error:
            raise await self._handshake_failure(
                url, error, failure_of(error, connector.attempt)
            ) from None
        self._stream = stream
        self._until = self._clock.monotonic() + LONGEST_KEPT
        return stream

    async def _handshake_failure(
        self, url: str, error: Exception, failure: HandshakeFailure
    ) -> FetchFailed:
        """The failure of a handshake, in Go's words."""
        if isinstance(error, IdentityRefused):
            cause = error.__cause__
            reason = cause.reason if isinstance(cause, _PeerRefused) else "wrong-identity"
            return self._failed(url, reason, _words(cause or error))
        if failure.kind is FailureKind.NOT_TRUSTED:
            return await self._not_trusted(url, failure)
        return self._failed(url, str(failure.kind), failure.go_text or failure.text)

    async def _not_trusted(self, url: str, failure: HandshakeFailure) -> FetchFailed:
        """The failure for an untrusted certificate. OpenSSL gives neither the chain nor Go's reason, so a bare handshake does."""
        [seen] = await dial_all([self.target], clock=self._clock, timeout=5.0)
        if seen.chain:
            try:
                self._verify_chain(seen.chain)
            except _PeerRefused as refused:
                return self._failed(url, refused.reason, _words(refused))
        return self._failed(url, str(failure.kind), failure.text)

    def _check_identity(self, peer: PresentedCertificate) -> None:
        """Checks what OpenSSL did not, after the handshake and before anything can be written. Raises IdentityRefused."""
        try:
            chain = tuple(
                read_certificate_der(der, self._host) for der in peer.der[:_MOST_CERTIFICATES]
            )
        except X509Error as error:
            reason = str(FailureKind.UNREADABLE_CERTIFICATE)
            raise _PeerRefused(self._host, reason, error.seen) from None
        self._verify_chain(chain)
        self._valid_until = min(found.not_after for found in chain)

    def _verify_chain(self, chain: tuple[Certificate, ...]) -> None:
        if not chain:
            raise _PeerRefused(self._host, "wrong-identity", "presented no certificate")
        verdict = verify(
            chain[0],
            intermediates=chain[1:],
            roots=self._roots.certificates,
            name=self.target.server_name or self.target.address,
            at=self._clock.now(),
        )
        if not verdict.trusted:
            raise _PeerRefused(self._host, str(verdict.reason), TLS_PREFIX + verdict.go_text)
        found = node_name_of(chain[0])
        if found != self.target.node:
            whose = f"node {found}" if found else f'"{chain[0].subject.common_name}"'
            seen = f"the certificate belongs to {whose}, not to node {self.target.node}"
            raise _PeerRefused(self._host, "wrong-identity", seen)

    def _failed(self, url: str, reason: str, text: str) -> FetchFailed:
        return FetchFailed(url, reason, f'Get "{url}": {printable(text)}')


class _Ended(OSError):
    """The connection ended before the answer did."""


class _PeerRefused(KubeletError):
    """The peer's certificate does not belong to the node."""

    def __init__(self, where: str, reason: str, seen: str) -> None:
        super().__init__(where, seen)
        self.reason = reason


def _words(error: BaseException) -> str:
    return error.seen if isinstance(error, KubevouchError) else str(error)


def quoted(path: str) -> str:
    """A path as Go's url.URL writes it: escaped, with a leading slash."""
    escaped = quote(path, safe=_SAFE)
    return escaped if escaped.startswith("/") else f"/{escaped}"


async def _asked(
    stream: TlsStream, request: bytes, answer: ResponseReader, pieces: int
) -> ResponseReader:
    """Sends a request and reads the response. pieces: the most reads that it may take, since each read costs time."""
    await stream.send(request)
    while not answer.done:
        data = await stream.receive()
        pieces -= 1
        if pieces < 0:
            raise ResponseError("an answer in too many pieces")
        if not data:
            raise _Ended("unexpected EOF" if answer.begun else "EOF")
        answer.feed(data)
    return answer
