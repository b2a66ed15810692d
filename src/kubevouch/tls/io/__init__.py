"""The part of `tls` that uses OpenSSL.

- `context`: contexts of clients that verify; `inspection_context` reads what a peer presents without trusting it
- `server`: contexts of servers, and how they are replaced at run time; `server_connection`: one connection of a server
- `key_pair`: loads a certificate and its key from memory into a context
- `presented`: the chain that a peer presented, also if it cannot be verified
- `identity`: a check that must pass before anything can be written to the peer
- `accidents`: turns exceptions of a connection attempt into a HandshakeFailure
"""

from kubevouch.tls.io.accidents import Attempt, failure_of
from kubevouch.tls.io.context import client_context, inspection_context
from kubevouch.tls.io.identity import Check, IdentityRefused, vouch_first, vouched_by
from kubevouch.tls.io.key_pair import KeyPair, load_key_pair
from kubevouch.tls.io.presented import presented
from kubevouch.tls.io.server import (
    ServerTls,
    ServerTlsSettings,
    client_chain,
    ignore_unreadable_names,
    server_context,
)
from kubevouch.tls.io.server_connection import ServerConnection

__all__ = [
    "Attempt",
    "Check",
    "IdentityRefused",
    "KeyPair",
    "ServerConnection",
    "ServerTls",
    "ServerTlsSettings",
    "client_chain",
    "client_context",
    "failure_of",
    "ignore_unreadable_names",
    "inspection_context",
    "load_key_pair",
    "presented",
    "server_context",
    "vouch_first",
    "vouched_by",
]
