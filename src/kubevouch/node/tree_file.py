"""A file of a node's file system, as it was read: its bytes, or why they could not be read."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TreeFile:
    """path: absolute, on the node. data: may hold a private key, so no repr shows it. fault: why they could not be read.

    is_denied: we may not read it; another user, root above all, can.
    """

    path: str
    data: bytes = field(default=b"", repr=False)
    fault: str = ""
    is_denied: bool = False


def link_to_nothing(path: str, target: str) -> TreeFile:
    """A link whose target is not there."""
    return TreeFile(path, fault=f"a link to {target}, where there is nothing")
