"""TLS as this product speaks it: contexts with stated flags, keys in memory, identity before the first byte.

It knows certificates (`x509`) and nothing of clusters, HTTP or who dials whom.

- `context`: how a client verifies; `inspection_context` looks at what is presented and believes nothing
- `server`: what we serve with, and how it is renewed while it runs
- `pair`: a certificate and its key, from memory into a context
- `presented`: the chain a peer presented, also of a peer nobody can verify
- `identity`: a check that is passed before anything can be written to the peer
- `alert`, `failure`: what went wrong, in RFC 8446's names and in Go's words
"""

from kubevouch.tls.alert import Alert
from kubevouch.tls.context import client_context, inspection_context
from kubevouch.tls.errors import IdentityRefused, PairError, RootsError, TlsError
from kubevouch.tls.failure import Attempt, FailureKind, HandshakeFailure, failure_of, joined
from kubevouch.tls.identity import Check, vouch_first
from kubevouch.tls.pair import Pair, load_pair
from kubevouch.tls.presented import Presented, presented
from kubevouch.tls.server import ServerTls, client_chain, server_context

__all__ = [
    "Alert",
    "Attempt",
    "Check",
    "FailureKind",
    "HandshakeFailure",
    "IdentityRefused",
    "Pair",
    "PairError",
    "Presented",
    "RootsError",
    "ServerTls",
    "TlsError",
    "client_chain",
    "client_context",
    "failure_of",
    "inspection_context",
    "joined",
    "load_pair",
    "presented",
    "server_context",
    "vouch_first",
]
