"""The facts of a bed that is up, kept in one file: written when it is up, removed first when it is taken down."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from real.errors import NotRunning
from real.layout import Folders
from real.states import History, State


class Facts(msgspec.Struct, frozen=True):
    """What is known of a running bed besides what can be asked of it."""

    version: str
    booted: datetime
    state: State
    ca_chain: str
    ca_key: str
    kubelet_config_map: str  # the object as kubeadm made it, JSON, without what the server adds
    node_files: dict[str, dict[str, str]]  # short host name -> path -> content, as kubeadm left it

    @property
    def history(self) -> History:
        """The story's dates."""
        return History(self.booted)


@dataclass(frozen=True)
class Record:
    """The file."""

    folders: Folders

    def write(self, facts: Facts) -> None:
        """The bed is up, with these facts."""
        unfinished = self.folders.bed.with_suffix(".new")
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(msgspec.json.encode(facts))
        unfinished.rename(self.folders.bed)

    def read(self) -> Facts:
        """The facts of the running bed.

        Raises:
            NotRunning: there is none.
        """
        try:
            return msgspec.json.decode(self.folders.bed.read_bytes(), type=Facts)
        except (OSError, msgspec.MsgspecError) as failed:
            raise NotRunning("the bed", "is not up", "boot it with `make real-up`") from failed

    def remove(self) -> None:
        """From now on there is no bed."""
        self.folders.bed.unlink(missing_ok=True)
