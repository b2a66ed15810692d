"""TLS as this product speaks it: contexts with stated flags, keys in memory, identity before the first byte.

It knows certificates (`x509`) and nothing of clusters, HTTP or who dials whom.

- `failure`, `alert`: what went wrong, in Go's words and in RFC 8446's names
- `errors`: what this room raises
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
