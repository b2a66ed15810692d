"""The folder that is a lab: everything that there is of it lies here, and goes with it.

lab.json            what it is: written once, first of all
lab.lock            held by the process that runs it; its number is in it
lab.log             what that process has to say when it is in the background
control             a socket, while it runs: `lab break`, `age`, `status`, `down`
kubeconfig          the administrator's
ssh_config, id_ed25519, known_hosts    for `ssh -F ssh_config k8s-worker-1`
loopback-addresses  for $KUBEVOUCH_LOOPBACK_ADDRESSES
apiserver/          the store
active-faults.json  what scenarios have done to it and lasts
nodes/<name>/       the root folder of each machine
"""

import contextlib
import fcntl
import os
import shlex
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TextIO

import msgspec

from kubevouch.errors import ExitCode, KubevouchError
from kubevouch_lab.cluster.site import IpFamily, Site

FORMAT = 1


class LabError(KubevouchError):
    """The lab cannot do what was asked."""

    exit_code = ExitCode.STOPPED


class Busy(LabError):
    """A process runs this lab."""


class Record(msgspec.Struct, frozen=True):
    """lab.json: what must be the same at every start."""

    block: int
    nodes: int
    scenario: str
    made: datetime
    identity: str
    """Random: makes the machines of this lab others than those of another one."""

    format: int = FORMAT
    family: IpFamily = IpFamily.IPV4
    whole: bool = False

    @property
    def site(self) -> Site:
        """Names and addresses."""
        return Site(self.block, self.nodes, self.family, self.whole)


class Folder:
    """Where things are."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.record_file = root / "lab.json"
        self.lock_file = root / "lab.lock"
        self.log = root / "lab.log"
        self.control = root / "control"
        self.kubeconfig = root / "kubeconfig"
        self.ssh_config = root / "ssh_config"
        self.ssh_key = root / "id_ed25519"
        self.known_hosts = root / "known_hosts"
        self.loopback_addresses = root / "loopback-addresses"
        self.active_faults = root / "active-faults.json"
        self.store = root / "apiserver"

    def node(self, name: str) -> Path:
        """The root folder of a machine."""
        return self.root / "nodes" / name

    @property
    def exists(self) -> bool:
        """Whether a lab was made here."""
        return self.record_file.exists()

    def record(self) -> Record:
        """What lab.json says.

        Raises:
            LabError: no lab was made here, or another version made it.
        """
        try:
            found = msgspec.json.decode(self.record_file.read_bytes(), type=Record)
        except FileNotFoundError:
            raise LabError(str(self.root), "no lab was made here", "kubevouch lab up") from None
        except (OSError, msgspec.DecodeError) as error:
            raise LabError(str(self.record_file), str(error), self._remove) from None
        if found.format != FORMAT:
            raise LabError(
                str(self.record_file), f"has another format ({found.format})", self._remove
            )
        return found

    @property
    def _remove(self) -> str:
        return f"remove the folder {self.root} and make a new lab"

    def keep(self, record: Record) -> None:
        """Writes lab.json, whole or not at all."""
        written = self.root / "lab.json.new"
        written.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
        written.replace(self.record_file)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Held while the lab runs; the system lets go of it when the process ends, however it ends.

        Raises:
            Busy: another process runs it.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with self.lock_file.open("a+") as file:
            if not _held(file):
                raise Busy(
                    str(self.root),
                    f"process {self.running()} runs this lab",
                    f"`kubevouch lab down --dir {shlex.quote(str(self.root))}`, or another --dir",
                )
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield
            file.truncate(0)

    def running(self) -> int:
        """The process that runs the lab, or 0. A process that was killed holds no lock.

        Raises LabError for somebody else's lab.
        """
        try:
            with self.lock_file.open("r+") as file:
                if _held(file):
                    return 0
                file.seek(0)
                text = file.read(32).strip()
        except PermissionError:
            seen = "no permission to check whether a lab runs here"
            raise LabError(str(self.root), seen, "ask the folder's owner") from None
        except OSError:
            return 0
        return int(text) if text.isdigit() else -1


def _held(file: TextIO) -> bool:
    """Takes the lock if nobody has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
