"""The errors of this package."""

from kubevouch.errors import KubevouchError


class KubeletError(KubevouchError):
    """Base of this package's errors."""


class AnswerError(KubeletError):
    """A response is invalid. The kubelet sent it, or another server at its address. A retry may help."""


class ConfigurationError(KubeletError):
    """A configuration file is unreadable, or a kubelet would not start with these flags."""
