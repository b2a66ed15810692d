"""TLS: contexts with explicit flags, keys in memory, and a check of the peer's identity before the first byte.

This room knows certificates (`x509`), but nothing of clusters or HTTP.

- `failure`, `alert`: what went wrong, in Go's words and in RFC 8446's names
- `errors`: the errors of this room
- `io`: everything that touches OpenSSL or a socket; nothing outside that folder does
"""

from kubevouch.tls.alert import Alert
from kubevouch.tls.errors import KeyPairError, RootsError, TlsError
from kubevouch.tls.failure import FailureKind, HandshakeFailure, joined

__all__ = [
    "Alert",
    "FailureKind",
    "HandshakeFailure",
    "KeyPairError",
    "RootsError",
    "TlsError",
    "joined",
]
