"""What can fail between us and a node's shell. The class says what the caller can do about it."""

from kubevouch.errors import KubevouchError


class NodeError(KubevouchError):
    """A script gave no usable answer."""


class NodeUnreachable(NodeError):
    """No shell on the node: as far as known, nothing of the script ran.

    Try again, or another transport.
    """


class NoRoot(NodeUnreachable):
    """A login, but not as root: the way to the node is right, and another one would not help."""


class AnswerLost(NodeError):
    """The connection broke or the time ran out after the script went out: only the node knows what it did."""


class ScriptFailed(NodeError):
    """The script ran and ended without its answer."""
