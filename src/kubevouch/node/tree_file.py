"""A file of a node's file system, as it was read: its bytes, or why there are none."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TreeFile:
    """path: absolute, on the node. data: may hold a private key, so no repr shows it. fault: why there are no bytes.

    is_denied: we may not read it; another user, root above all, can.
    """

    path: str
    data: bytes = field(default=b"", repr=False)
    fault: str = ""
    is_denied: bool = False
