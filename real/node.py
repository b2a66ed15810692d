"""A node of the bed as the e2e tests see it: going in, its files, what can be done to it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from real import clock, faults, network
from real.handshake import Seen, context, shake
from real.layout import Folders, Host, Role
from real.machine import Machine
from real.placing import Placed
from real.processes import Done

# systemd's own catalogue (sd-messages.h).
EVENTS = {
    "de5b426a63be47a7b6ac3eaac82e2f6f": "stopping",
    "9d1aaa27d60140bd96365438aad20286": "stopped",
    "39f53479d3a045ac8e11786248231fbf": "started",
    "98e322203f7a4ed290d09fe03c09fe15": "exited",
}
TREE = r"""
cd / && find "$@" -xdev \( -type f -printf 'f\t%m\t%u:%g\t%p\t\n' -o -type l -printf 'l\t%m\t%u:%g\t%p\t%l\n' \
  -o -type d -printf 'd\t%m\t%u:%g\t%p\t\n' \) | while IFS="$(printf '\t')" read -r kind mode owner path target; do
  if [ "$kind" = f ]; then target=$(sha256sum < "$path" | cut -d' ' -f1); fi
  printf '%s\t%s\t%s\t%s\t%s\n' "$kind" "$mode" "$owner" "$path" "$target"
done
"""


@dataclass(frozen=True)
class UnitEvent:
    """Something that systemd did with a unit: `stopping`, `stopped`, `started`, or saw of it: `exited`."""

    at: datetime
    what: str


@dataclass(frozen=True)
class Entry:
    """A file system entry: kind (f, d, l), octal mode, user:group, and sha256 of a file or target of a link."""

    kind: str
    mode: str
    owner: str
    content: str


@dataclass(frozen=True)
class Node:
    """One node. Everything here goes by the machine's namespaces, so it works while its network is cut."""

    machine: Machine
    folders: Folders

    @property
    def host(self) -> Host:
        """Its planned names and address."""
        return self.machine.host

    @property
    def name(self) -> str:
        """The Node's name, an FQDN."""
        return self.host.name

    @property
    def address(self) -> str:
        """Its InternalIP."""
        return self.host.address

    @property
    def role(self) -> Role:
        """control-plane or worker."""
        return self.host.role

    def exec(
        self, *argv: str, stdin: str | bytes = "", check: bool = True, seconds: float = 120
    ) -> Done:
        """Runs a program on it as root.

        Raises:
            BedError: `check` and it failed, or it did not end in time.
        """
        return self.machine.exec(*argv, stdin=stdin, check=check, seconds=seconds)

    def sh(self, script: str, *arguments: str, check: bool = True, seconds: float = 120) -> Done:
        """Runs a shell script on it (`sh -eu`); `$1` and so on are the arguments."""
        return self.machine.sh(script, *arguments, check=check, seconds=seconds)

    def read(self, path: str) -> bytes:
        """A file of it.

        Raises:
            BedError: there is none.
        """
        return self.machine.read(path)

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Puts a file there, owned by root; one that exists is replaced. Folders on the way are made."""
        self.machine.place([Placed(path, data, mode, clock.now())])

    def exists(self, path: str) -> bool:
        """Whether there is anything of that name."""
        return self.exec("test", "-e", path, check=False).returncode == 0

    def tree(self, *folders: str) -> dict[str, Entry]:
        """Everything in the folders, by path: to compare before and after. File systems mounted below are left out."""
        lines = self.sh(TREE, *folders).stdout.splitlines()
        fields = [line.split("\t", 4) for line in lines]
        return {
            path: Entry(kind, mode, owner, content) for kind, mode, owner, path, content in fields
        }

    def handshake(self) -> Seen:
        """What its kubelet presents right now."""
        return shake(self.address, tls=context())

    def cut(self) -> None:
        """Pulls its network cable."""
        faults.cut(self.host)

    def cut_ssh(self) -> None:
        """Its ssh port no longer answers, and open connections hang; all else works."""
        faults.cut_ssh(self.machine)

    def mend(self) -> None:
        """Undoes both cuts."""
        faults.mend(self.host, self.folders)

    def give(self, address: str) -> None:
        """An IPv6 address besides its own, at which the operator reaches it."""
        network.give(self.host, address)

    def take(self, address: str) -> None:
        """Takes that address away again."""
        network.take(self.host, address)

    def fill(self, folder: str, size: str = "8m") -> None:
        """Makes a folder (made if need be) a file system of its own, that small, and fills it to the last byte."""
        faults.fill(self.machine, folder, size)

    def free(self) -> None:
        """Takes all such small file systems away again."""
        faults.free(self.machine)

    def kill(self, unit: str, signal: str = "KILL") -> None:
        """Sends a signal to a unit's main process. systemd then does what the unit says."""
        self.exec("systemctl", "kill", "--kill-whom=main", f"--signal={signal}", unit)

    def unit_events(self, unit: str, since: datetime) -> tuple[UnitEvent, ...]:
        """What systemd did with the unit since that moment, in order. `unit` with its suffix, as `kubelet.service`."""
        said = self.exec(
            *("journalctl", "--output=json", "--quiet", f"--since=@{since.timestamp():.6f}"),
            *("_PID=1", f"UNIT={unit}", *(f"MESSAGE_ID={known}" for known in EVENTS)),
        ).stdout
        lines = [json.loads(line) for line in said.splitlines()]
        return tuple(
            UnitEvent(
                datetime.fromtimestamp(int(line["__REALTIME_TIMESTAMP"]) / 1e6, UTC),
                EVENTS[line["MESSAGE_ID"]],
            )
            for line in lines
        )
