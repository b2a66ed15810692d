"""What has been done to a lab and lasts, beyond files of nodes and objects: it is kept in the folder."""

import msgspec

from kubevouch_lab.cluster.folder import Folder


class Standing(msgspec.Struct, frozen=True):
    """By node names. Nothing of it, in a lab that was just made."""

    approves: bool = False
    """Somebody's approver runs, and approves every serving request."""

    denies: tuple[str, ...] = ()
    """It denies those of these nodes."""

    deaf: tuple[str, ...] = ()
    """Their kubelets' ports swallow what comes."""

    ahead: dict[str, float] = {}
    """Seconds that their clocks go ahead."""


def read_standing(folder: Folder) -> Standing:
    """As it was left; nothing where a process was killed before it wrote any."""
    try:
        return msgspec.json.decode(folder.standing.read_bytes(), type=Standing)
    except (OSError, msgspec.DecodeError):
        return Standing()


def keep_standing(folder: Folder, standing: Standing) -> None:
    """Whole or not at all."""
    fresh = folder.standing.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(standing) + b"\n")
    fresh.replace(folder.standing)
