"""What this room raises: a class says what the caller can do about it."""

from kubevouch.errors import KubevouchError


class TlsError(KubevouchError):
    """Base of this room's errors."""


class KeyPairError(TlsError):
    """A certificate and key that cannot be used. Whoever keeps them must mend them. Never shows the key."""


class RootsError(TlsError):
    """A CA bundle without a certificate in it. Whoever wrote it must mend it."""
