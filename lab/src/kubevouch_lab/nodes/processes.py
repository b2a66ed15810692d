"""What a node's /proc tells: how long it is up, which boot this is, the kubelet's command line and cgroup."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from kubevouch.clock import Clock
from kubevouch_lab.nodes.files import NodeFiles
from kubevouch_lab.rng import Entropy, uids

_FIRST_PID = 420


class Processes:
    """The node's clock since its boot, and process numbers. booted: when the machine was switched on."""

    def __init__(self, files: NodeFiles, clock: Clock, entropy: Entropy) -> None:
        self._files = files
        self._clock = clock
        self._entropy = entropy
        self._next = _FIRST_PID
        self._programs: dict[int, tuple[str, int]] = {}
        self.booted: datetime = clock.now()

    def boot(self, up_for: timedelta) -> None:
        """Another boot, so long ago."""
        self.booted = self._clock.now() - up_for
        boot_id = uids(self._entropy)()
        self._files.write("/proc/sys/kernel/random/boot_id", f"{boot_id}\n".encode())
        for folder in self._files.path("/proc").glob("[0-9]*"):
            self.end(int(folder.name))
        self._next = _FIRST_PID
        self.tick()

    @property
    def uptime(self) -> float:
        """Seconds since the boot."""
        return (self._clock.now() - self.booted).total_seconds()

    def tick(self) -> None:
        """Brings /proc/uptime up to date: before anybody is likely to look."""
        up = max(0.0, self.uptime)
        self._files.write("/proc/uptime", f"{up:.2f} {up * 1.9:.2f}\n".encode())
        for pid, (program, inode) in self._programs.items():
            if self._inode(program) != inode:
                self._files.link(f"/proc/{pid}/exe", f"{program} (deleted)")

    def begin(self, unit: str, argv: Sequence[str]) -> int:
        """A process that the lab itself plays for a unit: its number, with its command line and cgroup in /proc."""
        self._next += 7 + self._entropy(1)[0] % 20
        words = b"".join(word.encode() + b"\0" for word in argv)
        self._files.write(f"/proc/{self._next}/cmdline", words)
        self._files.write(f"/proc/{self._next}/comm", argv[0].rsplit("/", 1)[-1].encode() + b"\n")
        self._files.write(f"/proc/{self._next}/cgroup", f"0::/system.slice/{unit}\n".encode())
        self._files.link(f"/proc/{self._next}/exe", argv[0])
        self._programs[self._next] = argv[0], self._inode(argv[0])
        return self._next

    def _inode(self, program: str) -> int:
        """0 for a program that is not on the node's own disk."""
        try:
            return self._files.path(program).stat().st_ino
        except OSError:
            return 0

    def number(self) -> int:
        """The number of a process that is a real one in the node's namespaces; only its name is given here."""
        self._next += 1 + self._entropy(1)[0] % 5
        return self._next

    def end(self, pid: int) -> None:
        """It is gone."""
        self._programs.pop(pid, None)
        for name in ("cmdline", "comm", "cgroup", "exe"):
            self._files.remove(f"/proc/{pid}/{name}")
        folder = self._files.path(f"/proc/{pid}")
        if folder.is_dir():
            folder.rmdir()
