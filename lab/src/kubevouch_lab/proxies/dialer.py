"""How the API server dials kubelets and aggregated servers: with which certificate, and whom it believes.

A backend is judged by Go's rules at the lab's own time, before a byte of HTTP is sent. OpenSSL checks nothing.
"""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import aiohttp

from kubevouch.clock import Clock
from kubevouch.x509 import Certificate, X509Error, read_certificate_der, verify
from kubevouch.x509.reasons import TLS_PREFIX
from kubevouch_lab.proxies.go_errors import NotTrusted

_DER = 2  # _ssl.ENCODING_DER
_CONNECT = 5.0
"""Seconds for a connection and its handshake. Go's are 30 s and 10 s; everything here is on loopback."""


def client_context(
    certificate: Path | None,
    key: Path | None,
    *,
    clock: Clock,
    roots: Sequence[Certificate] | None = None,
    name: str = "",
) -> ssl.SSLContext:
    """A client's context with that client certificate (none for None).

    roots: whom the peer must chain to, and then it must be good for `name`; None believes everybody.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    if roots is None:
        return context
    trusted = tuple(roots)

    class VerifyingSslObject(ssl.SSLObject):
        """Ends the handshake with Go's error where Go would."""

        def do_handshake(self) -> None:
            super().do_handshake()
            fault = _fault(self, trusted, name, clock)
            if fault:
                raise NotTrusted(fault)

    context.sslobject_class = VerifyingSslObject
    return context


def session() -> aiohttp.ClientSession:
    """A client that passes on what it gets: it follows no redirects, keeps no cookies and decodes no bodies."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    )


def _fault(tls: ssl.SSLObject, roots: Sequence[Certificate], name: str, clock: Clock) -> str:
    try:
        leaf, *others = [
            read_certificate_der(der, f"certificate {number}")
            for number, der in enumerate(_presented(tls))
        ]
    except X509Error as error:
        return f"tls: failed to parse certificate from server: {error.seen}"
    except ValueError:
        return f"{TLS_PREFIX}no certificate was presented"
    verdict = verify(leaf, intermediates=others, roots=roots, name=name, at=clock.now())
    return verdict.logged_text


def _presented(tls: ssl.SSLObject) -> list[bytes]:
    """The chain as it came, verified by nobody. Public from Python 3.13 on."""
    public = getattr(tls, "get_unverified_chain", None)
    if public is not None:
        return cast("list[bytes]", public() or [])
    private = getattr(getattr(tls, "_sslobj", None), "get_unverified_chain", None)
    return [each.public_bytes(_DER) for each in (private() or [])] if private else []
