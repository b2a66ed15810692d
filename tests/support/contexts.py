"""TLS contexts for the servers of a test, made without the code under test."""

import ssl
import tempfile

from tests.support.authority import Pair


def server_context(
    pair: Pair, *, client_ca: bytes | None = None, any_key: bool = False
) -> ssl.SSLContext:
    """Serves a pair; with `client_ca` it asks for a client certificate, verifies one that comes, and requires none.

    any_key: also one that OpenSSL itself calls too short.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if any_key:
        context.set_ciphers("DEFAULT@SECLEVEL=0")
    with tempfile.NamedTemporaryFile() as both:
        both.write(pair.chain + b"\n" + pair.key)
        both.flush()
        context.load_cert_chain(both.name)
    if client_ca is not None:
        context.load_verify_locations(cadata=client_ca.decode())
        context.verify_mode = ssl.CERT_OPTIONAL
    return context
