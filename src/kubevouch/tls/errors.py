"""What this room raises: a class says what the caller can do about it."""

import ssl

from kubevouch.errors import KubevouchError


class TlsError(KubevouchError):
    """Base of this room's errors."""


class PairError(TlsError):
    """A certificate and key that cannot be used. Whoever keeps them must mend them. Never shows the key."""


class RootsError(TlsError):
    """A CA bundle without a certificate in it. Whoever wrote it must mend it."""


class IdentityRefused(TlsError, ssl.SSLError):
    """The peer finished its handshake and is not who it should be. Nothing was sent to it, and nothing may be.

    An SSLError too: event loops and HTTP clients take it for what it is, a handshake that failed.
    """

    def __init__(self, where: str, seen: str, expected: str = "") -> None:
        super().__init__(where, seen, expected)
        # What an SSLError has. OSError would read our three arguments as number, text and file name.
        self.errno = ssl.SSL_ERROR_SSL
        self.strerror = str(self)
        self.filename = None
        self.library = "SSL"
        self.reason = "IDENTITY_REFUSED"
