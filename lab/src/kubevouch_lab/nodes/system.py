"""A node from within: disk, journal, service manager, shell; on and off."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from kubevouch.clock import Clock
from kubevouch_lab.nodes.files import NodeFiles
from kubevouch_lab.nodes.journal import Journal
from kubevouch_lab.nodes.processes import Processes
from kubevouch_lab.nodes.program_calls import ProgramCalls, ProgramResult
from kubevouch_lab.nodes.services import BuiltinProgram
from kubevouch_lab.nodes.shell import Namespace, NoShell, Ran
from kubevouch_lab.nodes.tools import Tools
from kubevouch_lab.nodes.units import KUBELET, Units
from kubevouch_lab.rng import Entropy

_UP_FOR: Final = timedelta(days=3, hours=7)
_BALLAST: Final = ".lab-ballast"
# A small file system laid over a folder with all that was in it, and filled to its last byte.
_FILL: Final = f"""\
set -e
mkdir -p "$1"
kept=$(mktemp -d)
cp -a "$1/." "$kept/"
mount -t tmpfs -o "size=$2,mode=$(stat -c %a "$1")" lab-filling "$1"
cp -a "$kept/." "$1/"
rm -rf "$kept"
cat /dev/zero >"$1/{_BALLAST}" 2>/dev/null || true
"""
# umount looks into the real /proc, which lies beneath the node's own.
_FREE: Final = f"""\
set -e
rm -f "$1/{_BALLAST}"
kept=$(mktemp -d)
cp -a "$1/." "$kept/"
mount --move /proc /sys
umount -l "$1"
mount --move /sys /proc
cp -a "$kept/." "$1/"
rm -rf "$kept"
"""


class System:
    """One node's operating system. The kubelet is played; everything else is a real program in the node's shell.

    Without a shell (`no_shell` says why) the kubelet runs all the same, but units that
    start other programs, ssh, `run` and `fill` do not work.
    programs: what this node has besides; from their words to what they print.
    """

    def __init__(
        self,
        files: NodeFiles,
        *,
        kubelet: BuiltinProgram,
        journal: Journal,
        clock: Clock,
        entropy: Entropy,
        programs: Mapping[str, Callable[[Sequence[str]], ProgramResult]] | None = None,
    ) -> None:
        self.files = files
        self.journal = journal
        self.processes = Processes(files, clock, entropy)
        self.namespace = Namespace(files, files.name)
        self.units = Units(files, journal, clock, self.processes, {KUBELET: kubelet}, self._program)
        tools = Tools(
            self.units,
            journal,
            self.processes,
            clock,
            host=files.name,
            reboot=self._ask_for_reboot,
        )
        own = programs or {}

        async def answer(words: Sequence[str]) -> ProgramResult:
            program = own.get(words[0])
            return program(words[1:]) if program else await tools(words)

        self._calls = ProgramCalls(files, answer, tuple(own))
        self._full: list[str] = []
        self._reboot: asyncio.Task[None] | None = None

    @property
    def no_shell(self) -> NoShell | None:
        """Why this machine gives the node no shell, or None."""
        return self.namespace.no_shell

    async def boot(self, up_for: timedelta = timedelta()) -> None:
        """Switches it on: its shell, its kubelet, what multi-user.target wants. up_for: as if it had been on so long."""
        self.processes.boot(up_for)
        self._calls.start()
        with contextlib.suppress(NoShell):
            await self.namespace.start()
        await self.units.boot()

    async def power_off(self) -> None:
        """Pulls the plug."""
        await self.units.power_off()
        await self._calls.stop()
        await self.namespace.stop()
        self._full.clear()

    async def reboot(self) -> None:
        """Off and on again: timers are gone, what is on the disk stays."""
        await self.power_off()
        await self.boot()

    async def run(self, argv: Sequence[str], stdin: bytes = b"", *, seconds: float = 120.0) -> Ran:
        """Runs a program on it as root. Raises NoShell, TimeoutError."""
        self.processes.tick()
        async with asyncio.timeout(seconds):
            return await self.namespace.run(argv, stdin)

    async def fill(self, folder: str, size: str = "8m") -> None:
        """Makes a folder (made if need be) a file system of its own, that small, and fills it to the last byte.

        As its shell sees it; the kubelet sees the folder beneath.

        Raises:
            OSError: it could not be done.
        """
        await self._done(_FILL, folder, size)
        self._full.append(folder)

    async def free(self) -> None:
        """Takes all such file systems away again; what was written to them stays. Raises OSError."""
        while self._full:
            await self._done(_FREE, self._full.pop())

    async def _done(self, script: str, *words: str) -> None:
        ran = await self.run(("/bin/sh", "-c", script, "sh", *words))
        if ran.returncode != 0:
            raise OSError(ran.stderr.decode(errors="replace").strip())

    async def _program(self, argv: Sequence[str], environment: dict[str, str]) -> Ran:
        try:
            return await self.namespace.run(argv, environment=environment)
        except NoShell as error:
            return Ran(203, b"", f"{error}\n".encode())

    def _ask_for_reboot(self) -> None:
        self._reboot = asyncio.get_running_loop().create_task(self.reboot())
