"""Turns aiohttp's exceptions for a failed request into the errors of `kube`."""

from typing import Final

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError

from kubevouch.kube.errors import (
    ApiTlsError,
    ApiUnreachable,
    BadResponse,
    BrokenOff,
    KubeError,
    NotAnApiServer,
)
from kubevouch.kube.refusals import short_line
from kubevouch.tls import FailureKind, HandshakeFailure
from kubevouch.tls.io.accidents import Attempt, failure_of

_ADDRESS: Final = "the kubeconfig's `server` must be reachable from this machine"
_DOWN: Final = "the API server is down, or unreachable at the kubeconfig's `server`"
_TRUST: Final = (
    "the server's certificate must be valid now, for this name (or tls-server-name), and signed by "
    "the kubeconfig's certificate-authority"
)
_OURS: Final = "the kubeconfig's client certificate must be valid and signed by the cluster's CA"

_UNREACHABLE: Final = {
    FailureKind.REFUSED: _DOWN,
    FailureKind.UNREACHABLE: "",
    FailureKind.OUR_SIDE: "",
    FailureKind.CONNECT_TIMEOUT: "",
    FailureKind.HANDSHAKE_TIMEOUT: "",
    FailureKind.NAME_UNKNOWN: _ADDRESS,
}
_BROKEN_OFF: Final = {FailureKind.RESET, FailureKind.ENDED}
_NOT_TLS: Final = {FailureKind.PLAIN_HTTP, FailureKind.NOT_TLS}


def failure(
    error: aiohttp.ClientError | OSError | UnicodeError,
    *,
    server: str,
    proxy: str,
    connect: float,
    total: float,
    certificate: bool,
) -> KubeError:
    """The error for a request to `server` that failed with `error`.

    connect, total: the request's time-outs in seconds. certificate: whether we had a client
    certificate to present.
    """
    proxy = proxy.rpartition("@")[2]
    through = f" through the proxy {proxy}" if proxy else ""
    if isinstance(error, TimeoutError):
        return _of_time(error, server, through, connect, total)
    if isinstance(error, aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError):
        return _of_proxy(error, server, proxy)
    if isinstance(error, aiohttp.InvalidURL):
        seen = "not a valid host or address"
        return ApiUnreachable(server, seen, _ADDRESS)
    if isinstance(error, OSError | UnicodeError):
        return _of_handshake(failure_of(error, Attempt(server)), server, through)
    return _of_answer(error, server, certificate=certificate)


def _of_time(
    error: TimeoutError, server: str, through: str, connect: float, total: float
) -> KubeError:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        seen = f"no connection within {connect:g} seconds{through}"
        return ApiUnreachable(server, seen, _ADDRESS)
    seen = f"no complete response within {total:g} seconds{through}"
    return ApiUnreachable(server, seen, "retry when the server is less busy")


def _of_proxy(
    error: aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError,
    server: str,
    proxy: str,
) -> KubeError:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        seen = f"the proxy {proxy} answered HTTP {error.status}"
        expected = "the proxy must allow CONNECT to this address"
    else:
        seen = f"no connection to the proxy {proxy}: {short_line(failure_of(error, Attempt(proxy)).text)}"
        expected = "check proxy-url, HTTPS_PROXY and NO_PROXY"
    return ApiUnreachable(server, seen, expected)


def _of_answer(error: aiohttp.ClientError, server: str, *, certificate: bool) -> KubeError:
    if isinstance(error, aiohttp.ServerDisconnectedError):
        # With TLS 1.3 a server checks our certificate after the handshake, and may close the
        # connection without an alert.
        expected = _OURS if certificate else ""
        return BrokenOff(server, "closed the connection without a response", expected)
    if _is_encoding(error):
        return BadResponse(server, "the response cannot be decompressed", "expected gzip")
    if isinstance(error, aiohttp.ClientPayloadError):
        return BrokenOff(server, "closed the connection during the response")
    text = error.message if isinstance(error, aiohttp.ClientResponseError) else type(error).__name__
    return NotAnApiServer(server, f"did not send valid HTTP ({short_line(text)})")


def _is_encoding(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ContentEncodingError):
        error = error.__cause__
    return error is not None


def _of_handshake(found: HandshakeFailure, server: str, through: str) -> KubeError:
    text = short_line(found.text) + through
    if found.kind in _UNREACHABLE:
        return ApiUnreachable(server, text, _UNREACHABLE[found.kind])
    if found.kind in _BROKEN_OFF:
        return BrokenOff(server, text)
    if found.kind in _NOT_TLS:
        return NotAnApiServer(server, text, "an API server uses TLS; for plain HTTP write http://")
    if found.kind is FailureKind.ALERT:
        return ApiTlsError(server, text, _OURS)
    return ApiTlsError(server, text, _TRUST if found.kind is FailureKind.NOT_TRUSTED else "")
