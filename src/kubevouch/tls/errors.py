"""The errors of this room. The class says what the caller can do about the error."""

from kubevouch.errors import KubevouchError


class TlsError(KubevouchError):
    """Base of this room's errors."""


class KeyPairError(TlsError):
    """A certificate and key that cannot be used and must be replaced. The text never shows the key."""


class RootsError(TlsError):
    """A CA bundle without a usable certificate, which must be corrected."""
