"""TLS contexts for our servers, with every flag stated, and how a running server gets another one.

Go asks a client for a certificate, takes any, and judges it later. Python cannot: a certificate that no authority
here has signed ends the handshake (alert unknown_ca) where Go's server would answer 401. What is signed is judged
again by `x509.verify`, for the pool it has to be of and by the injected clock.
"""

import ssl
from typing import Final

from kubevouch.tls.io.context import NO_CHECK_TIME, trust
from kubevouch.tls.io.key_pair import KeyPair, load_key_pair
from kubevouch.tls.io.presented import presented

# What Go's server offers for TLS 1.2 by default (crypto/tls/defaults.go, 1.26), without CBC: every client that speaks
# to an API server has AEAD suites.
_SUITES: Final = "@SECLEVEL=1:ECDHE+AESGCM:ECDHE+CHACHA20"


def server_context(
    pair: KeyPair, *, client_roots: bytes | None = None, where: str
) -> ssl.SSLContext:
    """A context that serves a pair.

    Args:
        pair: what to serve.
        client_roots: clients are asked for a certificate, and none is required. PEM; empty believes none that comes.
            None does not ask.
        where: names the pair's source in an error.

    Raises:
        PairError: the pair cannot be used.
        X509Error, RootsError: `client_roots` holds no certificate, or a broken one.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # No tickets: who somebody is is asked in each handshake, by the authorities of that moment.
    context.options = (
        ssl.OP_ALL
        | ssl.OP_NO_COMPRESSION
        | ssl.OP_NO_RENEGOTIATION
        | ssl.OP_NO_TICKET
        | ssl.OP_CIPHER_SERVER_PREFERENCE
    )
    context.num_tickets = 0
    context.set_ciphers(_SUITES)
    context.set_alpn_protocols(["http/1.1"])
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
    """The context that a listener is given once, and what new handshakes get: `replace` it at any time."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._current = context
        self.context = context
        context.sni_callback = self._chosen

    def replace(self, context: ssl.SSLContext) -> None:
        """From the next handshake on. Connections that are open stay as they are.

        Whether clients are asked for a certificate stays as it was at first: OpenSSL takes that from the first context.
        """
        self._current = context

    def _chosen(self, connection: ssl.SSLObject, _: str | None, first: ssl.SSLContext) -> None:
        """OpenSSL asks this in each handshake, whether the client names a server or not."""
        if self._current is not first:
            connection.context = self._current


def client_chain(connection: ssl.SSLObject) -> tuple[bytes, ...]:
    """What a client presented, DER, leaf first; empty for one that presented nothing.

    Asked for the chain of such a one Python (3.11 to 3.13) fails: so the leaf is asked for first.
    """
    return presented(connection).der if connection.getpeercert(binary_form=True) else ()
