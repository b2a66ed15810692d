"""The errors of this room. The class says what the caller can do about the error."""

from kubevouch.errors import KubevouchError


class KubeletError(KubevouchError):
    """Base of this room's errors."""


class AnswerError(KubeletError):
    """A kubelet's response cannot be read. Trying again may help; the fault is in the kubelet or whatever answers for it."""


class ConfigurationError(KubeletError):
    """A configuration cannot be read, or no kubelet would start with these command-line flags."""
