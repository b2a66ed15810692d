"""The errors of this package."""

from kubevouch.errors import KubevouchError


class KubeletError(KubevouchError):
    """Base of this package's errors."""


class AnswerError(KubeletError):
    """A response that is not valid for a kubelet. Another server may have sent it."""


class ConfigurationError(KubeletError):
    """A configuration file is unreadable, or a kubelet would not start with these flags."""
