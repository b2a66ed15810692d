"""A file of a node's file system: its bytes, or why they could not be read."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file. path: absolute, on the node. data: may hold a private key, so no repr shows it. fault: why it was not read.

    is_denied: we may not read it; another user can, usually root.
    """

    path: str
    data: bytes = field(default=b"", repr=False)
    fault: str = ""
    is_denied: bool = False


def link_to_nothing(path: str, target: str) -> TreeFile:
    """A link whose target does not exist."""
    return TreeFile(path, fault=f"a link to {target}, which does not exist")
