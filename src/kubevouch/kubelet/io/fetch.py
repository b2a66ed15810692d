"""The verified fetch: a page of one kubelet, asked for with a token, after it has proven to be that node's.

Before the token or any byte of HTTP goes out, three have passed: OpenSSL's verification of chain and name, our own
of the same (as Go's), and that the certificate is the one of this very node (CN `system:node:<name>`, O
`system:nodes`): a certificate of the right authority for another node, even for the same address, gets nothing. No
redirect is followed, nothing is compressed, every length and time is bounded.

A connection is kept from one fetch to the next and belongs to one node. It is made anew, and so verified anew, after
ten minutes, or when its certificate ends.

The words are those of metrics-server's log, where Go has any, so that operators can compare.
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
"""Seconds of a connection's life."""
_MOST_CERTIFICATES: Final = 16
# What may stand in a path; Go's url.URL escapes the rest, line breaks among it.
_SAFE: Final = "/$&+,:;=@!*'()~"


class FetchFailed(KubeletError):
    """No page. reason: a word of FailureKind, of x509.Reason, or one of those below. text: as metrics-server logs it.

    "http-401", "http-403" and so on: an answer that is no page. "no-answer": HTTP broke. "too-large".
    "deadline": time was over, wherever it was lost.
    """

    def __init__(self, where: str, reason: str, text: str) -> None:
        super().__init__(where, text)
        self.reason = reason
        self.text = text

    @property
    def timed_out(self) -> bool:
        """metrics-server logs such a one in other words."""
        return self.reason == "deadline"


@dataclass(frozen=True)
class KubeletRoots:
    """The authorities of kubelets' serving certificates. Raises X509Error if there is none in `pem`."""

    pem: bytes
    certificates: tuple[Certificate, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self,
            "certificates",
            tuple(read_certificates(self.pem, "kubelet certificate authority")),
        )


class VerifiedKubelet:
    """One node's kubelet. `target.node` must be given. Close it.

    check_time: False where `clock` is not the machine's, which OpenSSL reads; our own verifier reads `clock` always.
    """

    def __init__(
        self, target: Target, roots: KubeletRoots, *, clock: Clock, check_time: bool = True
    ) -> None:
        self.target = target
        self._roots = roots
        self._clock = clock
        self._context = client_context(roots=roots.pem, check_time=check_time)
        vouch_first(self._context, self._vouch)
        self._host = joined(target.address, target.port)
        self._stream: TlsStream | None = None
        self._until = 0.0
        self._valid_until: datetime | None = None

    async def page(self, path: str, authorization: str, *, timeout: float, most: int) -> bytes:
        """A page's body. authorization: the header's value. timeout: seconds in all. most: bytes. Raises FetchFailed."""
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
        """Ends the connection that is kept."""
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
                    # It had closed a connection that was idle: that is no failure, and a GET may be sent again.
                    kept = False
                    continue
                raise self._failed(url, "no-answer", self._broke(error)) from None

    def _broke(self, error: OSError) -> str:
        """Why a connection broke after its handshake."""
        if isinstance(error, _Ended):
            return str(error)
        found = failure_of(error, Attempt(self._host, connected=True))
        return found.go_text or found.text

    def _is_fresh(self) -> bool:
        ends = self._valid_until
        return self._clock.monotonic() < self._until and (ends is None or self._clock.now() < ends)

    async def _connect(self, url: str, timeout: float) -> TlsStream:
        # The name is given for an address, too: OpenSSL then checks it, and sends no SNI for it.
        address = self.target.address
        course = TlsConnector(address, self.target.port, self.target.server_name or address)
        try:
            stream = await course.open(self._context, timeout)
        except TimeoutError:
            raise
        except (OSError, ValueError, OverflowError) as error:
            raise await self._told(url, error, failure_of(error, course.attempt)) from None
        self._stream = stream
        self._until = self._clock.monotonic() + LONGEST_KEPT
        return stream

    async def _told(self, url: str, error: Exception, failure: HandshakeFailure) -> FetchFailed:
        """The failure in Go's words."""
        if isinstance(error, IdentityRefused):
            cause = error.__cause__
            reason = cause.reason if isinstance(cause, _Refused) else "wrong-identity"
            return self._failed(url, reason, _words(cause or error))
        if failure.kind is FailureKind.NOT_TRUSTED:
            return await self._not_trusted(url, failure)
        return self._failed(url, str(failure.kind), failure.go_text or failure.text)

    async def _not_trusted(self, url: str, failure: HandshakeFailure) -> FetchFailed:
        """OpenSSL tells neither the chain nor Go's reason: look at what is presented, and judge that."""
        [seen] = await dial_all([self.target], clock=self._clock, timeout=5.0)
        if seen.chain:
            try:
                self._judge(seen.chain)
            except _Refused as refused:
                return self._failed(url, refused.reason, _words(refused))
        return self._failed(url, str(failure.kind), failure.text)

    def _vouch(self, peer: PresentedCertificate) -> None:
        """What OpenSSL did not ask. Runs when the handshake is done, before anything can be written."""
        try:
            chain = tuple(
                read_certificate_der(der, self._host) for der in peer.der[:_MOST_CERTIFICATES]
            )
        except X509Error as error:
            reason = str(FailureKind.UNREADABLE_CERTIFICATE)
            raise _Refused(self._host, reason, error.seen) from None
        self._judge(chain)
        self._valid_until = min(found.not_after for found in chain)

    def _judge(self, chain: tuple[Certificate, ...]) -> None:
        if not chain:
            raise _Refused(self._host, "wrong-identity", "presented no certificate")
        verdict = verify(
            chain[0],
            intermediates=chain[1:],
            roots=self._roots.certificates,
            name=self.target.server_name or self.target.address,
            at=self._clock.now(),
        )
        if not verdict.trusted:
            raise _Refused(self._host, str(verdict.reason), TLS_PREFIX + verdict.go_text)
        found = node_name_of(chain[0])
        if found != self.target.node:
            whose = f"node {found}" if found else f'"{chain[0].subject.common_name}"'
            seen = f"the certificate is that of {whose}, not of node {self.target.node}"
            raise _Refused(self._host, "wrong-identity", seen)

    def _failed(self, url: str, reason: str, text: str) -> FetchFailed:
        return FetchFailed(url, reason, f'Get "{url}": {printable(text)}')


class _Ended(OSError):
    """The connection ended before the answer did."""


class _Refused(KubeletError):
    """The peer is not the node. The kubelet's certificate, or what stands in its place, is at fault."""

    def __init__(self, where: str, reason: str, seen: str) -> None:
        super().__init__(where, seen)
        self.reason = reason


def _words(error: BaseException) -> str:
    return error.seen if isinstance(error, KubevouchError) else str(error)


def quoted(path: str) -> str:
    """A path as Go's url.URL writes it: escaped, with a slash before it."""
    escaped = quote(path, safe=_SAFE)
    return escaped if escaped.startswith("/") else f"/{escaped}"


async def _asked(
    stream: TlsStream, request: bytes, answer: ResponseReader, pieces: int
) -> ResponseReader:
    """pieces: into so many the answer may be cut; each costs us, however small it is."""
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
