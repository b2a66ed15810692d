"""The end of a connection at once, whatever state it is in."""

import asyncio


def disconnect(transport: asyncio.WriteTransport | None) -> None:
    """Aborts it; None and what has ended are left as they are.

    A TLS transport that was closed twice has let go of its protocol, and until Python 3.11.5 `abort` stumbles over that
    (Lib/asyncio/sslproto.py; Debian 12 has 3.11.2).
    """
    if transport is None:
        return
    try:
        transport.abort()
    except AttributeError:
        if not transport.is_closing():
            raise
