"""The errors of this package."""

from kubevouch.errors import KubevouchError


class KubeletError(KubevouchError):
    """Base of this package's errors."""


class AnswerError(KubeletError):
    """A kubelet's response is invalid. A retry may help.

    Another server at the kubelet's address may have sent the response.
    """


class ConfigurationError(KubeletError):
    """A configuration file is unreadable, or a kubelet would not start with these flags."""
