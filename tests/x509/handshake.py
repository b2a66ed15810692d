"""A pair of ours in the hands of OpenSSL."""

import ssl
from pathlib import Path

from kubevouch.x509.issue import IssuedPair


def presented(folder: Path, made: IssuedPair, roots: str | bytes, name: str) -> bytes | None:
    """A handshake through memory; what the server presented. roots: PEM as text, or DER."""
    (folder / "crt").write_bytes(made.chain_pem)
    (folder / "key").write_bytes(made.key_pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "crt", folder / "key")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=roots)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    there = server.wrap_bio(to_server, to_client, server_side=True)
    here = client.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(4):
        for side in (here, there):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return here.getpeercert(binary_form=True)
