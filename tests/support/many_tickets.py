"""A kubelet with the right certificate that answers with TLS 1.3's session tickets, 32 MB of them, as fast as they are taken.

OpenSSL's server cannot be made to do that, so the records are made here, by the keys that it logs (RFC 8446, 4.6.1 and 7).
"""

import contextlib
import hashlib
import hmac
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_LONGEST, _RECORDS = 16_000, 2000


@contextlib.contextmanager
def many_tickets(context: ssl.SSLContext, folder: Path) -> Iterator[int]:
    """Serves one connection in a thread of its own; yields its port. context: the server's; its keys are logged in the folder."""
    keys = folder / "keys"
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    context.keylog_filename = str(keys)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=_serve, args=(listening, context, keys), daemon=True)
        serving.start()
        yield listening.getsockname()[1]
    serving.join()


def _serve(listening: socket.socket, context: ssl.SSLContext, keys: Path) -> None:
    accepted, _ = listening.accept()
    with accepted, contextlib.suppress(ConnectionError):
        _shake(accepted, context)
        words = (line.split() for line in keys.read_text().splitlines())
        (secret,) = (word[2] for word in words if word[0] == "SERVER_TRAFFIC_SECRET_0")
        records = _Records(bytes.fromhex(secret))
        for _ in range(_RECORDS):
            accepted.sendall(records.of_tickets())


def _shake(accepted: socket.socket, context: ssl.SSLContext) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    done = False
    while not done:
        try:
            tls.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            if not outgoing.pending:
                incoming.write(accepted.recv(65536))
        if outgoing.pending:
            accepted.sendall(outgoing.read())
    # OpenSSL prefers this one: the lengths of the secrets are its hash's.
    assert tls.cipher()[0] == "TLS_AES_256_GCM_SHA384"  # type: ignore[index]


class _Records:
    """The server's records after its handshake."""

    def __init__(self, secret: bytes) -> None:
        self._nonce = _expanded(secret, b"iv", 12)
        self._cipher = AESGCM(_expanded(secret, b"key", 32))
        self._sent = 0

    def of_tickets(self) -> bytes:
        """One record, full of them."""
        ticket = struct.pack(">IIBHBH", 1, 0, 0, 1, ord("x"), 0)
        message = b"\x04" + len(ticket).to_bytes(3) + ticket
        inner = message * (_LONGEST // len(message)) + b"\x16"
        head = struct.pack(">BHH", 23, 0x0303, len(inner) + 16)
        nonce = int.from_bytes(self._nonce) ^ self._sent
        self._sent += 1
        return head + self._cipher.encrypt(nonce.to_bytes(12), inner, head)


def _expanded(secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label with an empty context, of no more than one hash."""
    whole = b"tls13 " + label
    info = struct.pack(">HB", length, len(whole)) + whole + b"\0\x01"
    return hmac.new(secret, info, hashlib.sha384).digest()[:length]
