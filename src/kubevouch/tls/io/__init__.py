"""The half of `tls` that touches OpenSSL.

- `context`: how a client verifies; `inspection_context` looks at what is presented and believes nothing
- `server`: what we serve with, and how it is renewed while it runs
- `pair`: a certificate and its key, from memory into a context
- `presented`: the chain a peer presented, also of a peer nobody can verify
- `identity`: a check that is passed before anything can be written to the peer
- `accidents`: what an exception of a connect attempt means
"""

from kubevouch.tls.io.accidents import Attempt, failure_of
from kubevouch.tls.io.context import client_context, inspection_context
from kubevouch.tls.io.identity import Check, IdentityRefused, vouch_first
from kubevouch.tls.io.key_pair import KeyPair, load_key_pair
from kubevouch.tls.io.presented import PresentedCertificate, presented
from kubevouch.tls.io.server import ServerTls, client_chain, server_context

__all__ = [
    "Attempt",
    "Check",
    "IdentityRefused",
    "KeyPair",
    "PresentedCertificate",
    "ServerTls",
    "client_chain",
    "client_context",
    "failure_of",
    "inspection_context",
    "load_key_pair",
    "presented",
    "server_context",
    "vouch_first",
]
