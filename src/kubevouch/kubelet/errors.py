"""The errors of this package. Each class says what the caller can do about the failure."""

from kubevouch.errors import KubevouchError


class KubeletError(KubevouchError):
    """Base of this package's errors."""


class AnswerError(KubeletError):
    """A kubelet's response cannot be read.

    A retry may help. The fault is in the kubelet or in whatever answers in its place.
    """


class ConfigurationError(KubeletError):
    """A configuration file is unreadable, or a kubelet would not start with these flags."""
