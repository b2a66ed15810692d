"""One machine with a systemd of its own, and nothing else of the bed: no cluster, no network but its loopback, no programs.

Its power can be cut. What lay on its disk then, lies there when it is started again.
"""

import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from real import cgroups, clock
from real.placing import Placed, packed
from real.processes import Done, held, run

NAME = "kubevouch-apart"
OURS = f"{NAME}-{os.getpid()}"
"""Its cgroups, beside the bed's and those of other processes."""

# The overlay is gone with the machine; what was written stays in its upper folder.
_STARTING = (
    'mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" none "$2/root"; '
    'shift 2; exec "$@"'
)


@dataclass
class MachineApart:
    """folder: where its disk lies. rootfs: what is below it, as `rootfs.build` makes it."""

    folder: Path
    rootfs: Path
    _running: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @property
    def disk(self) -> Path:
        """What was ever written to it, as a file system. To be looked at while it is off."""
        return self.folder / "upper"

    def place(self, files: Iterable[Placed]) -> None:
        """Puts files on its disk before its first start."""
        for name in ("root", "upper", "work"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        run(["tar", "-x", "-C", self.disk], stdin=packed(files))

    @contextmanager
    def on(self, seconds: float = 120) -> Iterator[None]:
        """The power is on until the end of this, or until it is cut.

        Raises:
            BedError: its systemd did not come up; with the last lines of its console, and that it still waits.
        """
        container = [
            *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot"),
            *(f"--directory={self.folder / 'root'}", f"--machine={NAME}", f"--hostname={NAME}"),
            *("--private-network", "--resolv-conf=off", "--timezone=off", "--link-journal=no"),
            *("--capability=all", "--system-call-filter=@known"),
        ]
        starting = ["sh", "-ec", _STARTING, "sh", str(self.rootfs), str(self.folder), *container]
        words = cgroups.inside(f"{self.folder.name}", starting, above=OURS)
        with (self.folder / "console.log").open("ab") as console:
            self._running = subprocess.Popen(
                [str(word) for word in held(words)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        try:
            clock.until("a leader of the machine", self._leader, seconds=seconds)
            clock.until("its systemd", self._is_up, seconds=seconds)
            yield
        finally:
            self.cut()

    def cut(self) -> None:
        """Cuts the power: everything on it ends at once."""
        if self._running is not None:
            self._running.kill()
            self._running.wait(timeout=60)
            cgroups.sweep(above=OURS)
            self._running = None

    def sh(self, script: str, *arguments: str, stdin: str | bytes = "", check: bool = True) -> Done:
        """Runs a shell script on it as root. Raises BedError as `processes.run`."""
        return run(
            [*self.entering(), "sh", "-euc", script, "sh", *arguments], stdin=stdin, check=check
        )

    def entering(self) -> list[str]:
        """The words before a command that is to run on it, with an environment of its own."""
        clean = ("env", "-i", "HOME=/root", "LANG=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
        into = ("nsenter", "-t", str(self._leader()), "-m", "-u", "-i", "-n", "-p", "-C", "--")
        return [*into, *clean]

    def _is_up(self) -> bool:
        """Its systemd answers: jobs may wait still."""
        return self.sh("systemctl is-system-running", check=False).stdout.strip() not in {
            "",
            "offline",
            "initializing",
        }

    def _leader(self) -> int | None:
        """Its PID 1, as this machine counts."""
        for process in cgroups.processes(self.folder.name, above=OURS):
            try:
                status = Path(f"/proc/{process}/status").read_text()
            except OSError:
                continue
            line = next((line for line in status.splitlines() if line.startswith("NSpid:")), "")
            if line.split()[3:] == ["1"]:  # the first of a namespace in that of `held`
                return process
        return None
