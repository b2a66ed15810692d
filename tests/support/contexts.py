"""TLS contexts for the servers of a test, made without the code under test."""

import ssl
import tempfile
from pathlib import Path

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
    with tempfile.TemporaryDirectory() as folder:
        chain, key = Path(folder, "chain.pem"), Path(folder, "key.pem")
        chain.write_bytes(pair.chain)
        key.write_bytes(pair.key)
        context.load_cert_chain(chain, key)
    if client_ca is not None:
        context.load_verify_locations(cadata=client_ca.decode())
        context.verify_mode = ssl.CERT_OPTIONAL
    return context
