"""A pair of ours in the hands of OpenSSL."""

import ssl

from kubevouch.x509.issue import IssuedPair
from tests.support.authority import Pair
from tests.support.contexts import server_context
from tests.support.in_memory import handshake


def presented(made: IssuedPair, roots: str | bytes, name: str) -> bytes | None:
    """A handshake through memory; what the server presented. roots: PEM as text, or DER."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=roots)
    served = server_context(Pair(made.chain_pem, made.key_pem))
    return handshake(client, served, name=name).getpeercert(binary_form=True)
