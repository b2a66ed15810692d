"""The part of `tls` that uses OpenSSL.

- `context`: client contexts that verify the peer; `inspection_context` accepts any peer, to read its certificates
- `server`: server contexts, their replacement at run time, and accepted connections
- `identity`: a check that must pass before any application data goes to the peer
- `accidents`: turns exceptions of a connection attempt into a HandshakeFailure
"""
