"""What this room raises: a class says what the caller can do about it."""

from kubevouch.errors import KubevouchError


class KubeletError(KubevouchError):
    """Base of this room's errors."""


class AnswerError(KubeletError):
    """A kubelet's answer that cannot be read. Asking again may help; the kubelet, or what stands in for it, is at fault."""


class ConfigurationError(KubeletError):
    """Configuration that cannot be read, or command-line flags that no kubelet would start with."""
