"""What has been done to a lab and lasts, beyond files of nodes and objects: it is kept in the folder."""

import msgspec

from kubevouch_lab.cluster.folder import Folder


class ActiveFaults(msgspec.Struct, frozen=True):
    """By node names. Nothing of it, in a lab that was just made."""

    approves: bool = False
    """Somebody's approver runs, and approves every serving request."""

    denies: tuple[str, ...] = ()
    """It denies those of these nodes."""

    unresponsive: tuple[str, ...] = ()
    """Their kubelets' ports swallow what comes."""

    scenarios: dict[str, str] = {}
    """The scenario that was last applied to each of them. A node that is not here is in that of lab.json."""

    ahead: dict[str, float] = {}
    """Seconds that their clocks go ahead."""


def read_active_faults(folder: Folder) -> ActiveFaults:
    """As it was left; nothing where a process was killed before it wrote any."""
    try:
        return msgspec.json.decode(folder.active_faults.read_bytes(), type=ActiveFaults)
    except (OSError, msgspec.DecodeError):
        return ActiveFaults()


def keep_active_faults(folder: Folder, active_faults: ActiveFaults) -> None:
    """Whole or not at all."""
    fresh = folder.active_faults.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(active_faults) + b"\n")
    fresh.replace(folder.active_faults)
