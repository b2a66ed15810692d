"""Errors from running a script on a node."""

from kubevouch.errors import KubevouchError


class NodeError(KubevouchError):
    """A script returned no usable answer."""


class NodeUnreachable(NodeError):
    """We got no shell on the node. As far as we know, the script did not run.

    Retry, or use another transport.
    """


class NoRoot(NodeUnreachable):
    """The login succeeded, but we could not become root. Another address would not help."""


class AnswerLost(NodeError):
    """The connection broke or timed out after we sent the script, which may have run."""


class ScriptFailed(NodeError):
    """The script ran, but ended without an answer."""
