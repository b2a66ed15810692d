"""The errors of this package. Each class says what the caller can do about the failure."""

from kubevouch.errors import KubevouchError


class KubeletError(KubevouchError):
    """Base of this package's errors."""


class AnswerError(KubeletError):
    """A kubelet's response cannot be read. A retry may help. The kubelet is at fault, or another server at its address."""


class ConfigurationError(KubeletError):
    """A configuration file is unreadable, or a kubelet would not start with these flags."""
