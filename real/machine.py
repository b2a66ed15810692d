"""One machine: a systemd-nspawn container with its own overlay, cgroups and network namespace, and a way into it.

Going in is by its namespaces and needs no ssh, so it works while its network is cut.
"""

import socket
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from real import cgroups, clock
from real.errors import BedError, NotRunning
from real.layout import Host
from real.network import NAMESPACES
from real.placing import Placed, packed
from real.processes import Done, run

NODE_PROGRAMS = ("kubelet", "kubeadm", "kubectl", "kube-proxy")
_CLEAN = (
    *("env", "-i", "HOME=/root", "LANG=C.UTF-8"),
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
)


@dataclass(frozen=True)
class Machine:
    """A host, and the folder in which its disk lies."""

    host: Host
    folder: Path

    @property
    def root(self) -> Path:
        """Its root file system, as mounted outside of it."""
        return self.folder / "root"

    @cached_property
    def leader(self) -> int:
        """Its PID 1, as this machine counts.

        Raises:
            NotRunning: it has none.
        """
        found = [process for process in cgroups.processes(self.host.short) if _is_leader(process)]
        if len(found) != 1:
            raise NotRunning(self.host.short, "is not running", "boot the bed with `make real-up`")
        return found[0]

    def prepare(self, rootfs: Path, files: Iterable[Placed]) -> None:
        """Lays its overlay over the root file system all share, and the files into it."""
        for name in ("root", "upper", "work", "containerd", "kubelet"):
            (self.folder / name).mkdir(parents=True)
        layers = (
            f"lowerdir={rootfs},upperdir={self.folder / 'upper'},workdir={self.folder / 'work'}"
        )
        run(["mount", "-t", "overlay", "-o", layers, self.host.namespace, self.root])
        run(["tar", "-x", "-C", self.root], stdin=packed(files))

    def boot(self, programs: Mapping[str, Path], seconds: float = 60) -> None:
        """Starts it and returns when its systemd says that it is up; it lives on when we end.

        `programs` are seen in its /usr/bin. The word comes by systemd's own notification: nobody goes in
        while the container is still being made.

        Raises:
            BedError: it ended, or it was not up in time; with the last lines of its console.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as said:
            said.bind(str(self.folder / "notify"))
            said.settimeout(0.5)
            with (self.folder / "console.log").open("ab") as console:
                started = subprocess.Popen(
                    ["env", f"NOTIFY_SOCKET={self.folder / 'notify'}", *self._container(programs)],
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=console,
                    start_new_session=True,
                )
            end = clock.monotonic() + seconds
            while b"READY=1" not in _received(said).splitlines():
                if started.poll() is not None or clock.monotonic() > end:
                    lines = (self.folder / "console.log").read_text(errors="replace").splitlines()
                    raise BedError(
                        f"boot of {self.host.short}", f"not up: {' | '.join(lines[-5:])}"
                    )

    def _container(self, programs: Mapping[str, Path]) -> list[str]:
        folder = self.folder
        argv = [
            *(
                "systemd-nspawn",
                "--quiet",
                "--register=no",
                "--keep-unit",
                "--boot",
                "--notify-ready=yes",
            ),
            *(f"--directory={self.root}", f"--machine={self.host.short}"),
            *(f"--hostname={self.host.name}", "--resolv-conf=off", "--timezone=off"),
            f"--network-namespace-path={NAMESPACES / self.host.namespace}",
            *(
                "--capability=all",
                "--system-call-filter=@known",
                "--bind=/dev/kmsg",
                "--link-journal=no",
            ),
            # An overlay cannot carry containerd's overlay snapshots; and the kubelet mounts below its folder.
            f"--bind={folder / 'containerd'}:/var/lib/containerd",
            f"--bind={folder / 'kubelet'}:/var/lib/kubelet",
            *(f"--bind-ro={programs[name]}:/usr/bin/{name}" for name in NODE_PROGRAMS),
        ]
        return cgroups.inside(self.host.short, argv)

    def exec(
        self, *argv: str, stdin: str | bytes = "", check: bool = True, seconds: float = 120
    ) -> Done:
        """Runs a program on it as root, with an environment of its own.

        Raises:
            BedError: as `processes.run`.
        """
        return run([*self.entering(), *_CLEAN, *argv], stdin=stdin, check=check, seconds=seconds)

    def sh(self, script: str, *arguments: str, check: bool = True, seconds: float = 120) -> Done:
        """Runs a shell script on it; `$1` and so on are the arguments."""
        return self.exec("sh", "-euc", script, "sh", *arguments, check=check, seconds=seconds)

    def entering(self) -> Sequence[str]:
        """The words before a command that is to run on it."""
        return ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "--"]

    def read(self, path: str) -> bytes:
        """The bytes of a file on it.

        Raises:
            BedError: there is no such file.
        """
        done = subprocess.run(
            [*self.entering(), "cat", "--", path], capture_output=True, check=False, timeout=60
        )
        if done.returncode != 0:
            raise BedError(
                f"{self.host.short}:{path}", done.stderr.decode(errors="replace").strip()
            )
        return done.stdout

    def place(self, files: Iterable[Placed]) -> None:
        """Puts files on it while it runs. An existing file of that name is replaced, not written into."""
        self.exec("tar", "-x", "-C", "/", stdin=packed(files))


def _received(socket_: socket.socket) -> bytes:
    try:
        return socket_.recv(4096)
    except TimeoutError:
        return b""


def _is_leader(process: int) -> bool:
    """PID 1 of a namespace right below ours; a pod's are one deeper."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
    line = next((line for line in status.splitlines() if line.startswith("NSpid:")), "")
    return line.split()[2:] == ["1"]
