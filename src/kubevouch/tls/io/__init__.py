"""The part of `tls` that uses OpenSSL.

- `context`: contexts of clients that verify; `inspection_context` reads what a peer presents without trusting it
- `server`: contexts of servers, how they are replaced at run time, and one connection of a server
- `identity`: a check that must pass before anything can be written to the peer
- `accidents`: turns exceptions of a connection attempt into a HandshakeFailure
"""
