"""A file of a node's file system: its bytes, or why they could not be read."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file on a node. path: its absolute path. data: omitted in `repr`, since it may contain a private key.

    fault: why the file was not read. is_denied: whether we lack permission, which root usually has.
    """

    path: str
    data: bytes = field(default=b"", repr=False)
    fault: str = ""
    is_denied: bool = False


def link_to_nothing(path: str, target: str) -> TreeFile:
    """The TreeFile for a symlink whose target does not exist."""
    return TreeFile(path, fault=f"a link to {target}, which does not exist")
