"""What can go wrong between us and a node's shell. The class says what the caller can do about it."""

from kubevouch.errors import KubevouchError


class NodeError(KubevouchError):
    """A script did not go there and back."""


class Unreachable(NodeError):
    """No shell on the node: nothing of the script ran, as far as can be told. Try again, or another way."""


class Lost(NodeError):
    """The way broke or the time ran out after the script had been sent: the node alone knows what it did."""


class ScriptFailed(NodeError):
    """The script ran and ended without the answer it owes."""
