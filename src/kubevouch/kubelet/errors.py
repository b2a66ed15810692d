"""The errors of this room. The class says what the caller can do about the error."""

from kubevouch.errors import KubevouchError


class KubeletError(KubevouchError):
    """Base of this room's errors."""


class AnswerError(KubeletError):
    """A kubelet's response cannot be read.

    A retry may help; the fault is in the kubelet or in whatever answers for it.
    """


class ConfigurationError(KubeletError):
    """A configuration is unreadable, or no kubelet would start with these flags."""
