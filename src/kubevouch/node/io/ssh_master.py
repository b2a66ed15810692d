"""One ssh connection to a host that several scripts share: a master of ours (ssh_config(5), ControlMaster), never the operator's.

Its own log tells whose host key answered. Its socket is in a folder that only we may enter. It ends with the block in
which it is held, and with us, however we end.
"""

import asyncio
import contextlib
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubevouch.node.errors import NodeUnreachable
from kubevouch.node.io.shell import Background
from kubevouch.node.io.ssh_log import SshLog, SshLogPipe

_OPENS = 30.0
_POLL = 0.02
_LONGEST = 104 - 18
"""sun_path of macOS, less the letters that ssh adds while it makes the socket (mux.c, muxserver_listen)."""
_PLAIN = re.compile(r"[A-Za-z0-9/._+-]+")
"""What ssh does not expand in a ControlPath."""
_FOLDERS = (None, "/tmp")  # noqa: S108 - mkdtemp makes a folder of ours there


@dataclass
class HeldHost:
    """A host whose scripts share a connection, which the first of them opens."""

    host: str
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    master: "SshMaster | None" = None

    async def end(self, master: "SshMaster | None") -> None:
        """Ends a connection of it, which may be an earlier one."""
        if self.master is master:
            self.master = None
        if master is not None:
            await master.end()


@dataclass(frozen=True)
class SshMaster:
    """A connection that is open."""

    folder: Path
    process: Background
    pipe: SshLogPipe
    log: SshLog

    @property
    def is_open(self) -> bool:
        """Whether it has not ended by itself."""
        return not self.process.exited.is_set()

    @property
    def settings(self) -> Mapping[str, str]:
        """What makes another ssh go through it, and nowhere else: one that finds no master would dial by itself."""
        return {"ControlPath": str(_socket(self.folder)), "ProxyCommand": "false"}

    async def end(self) -> None:
        """Ends the connection, and what still goes through it."""
        try:
            await self.process.end()
        finally:
            self.pipe.close()
            shutil.rmtree(self.folder, ignore_errors=True)


async def open_master(
    where: str,
    argv: Callable[[Mapping[str, str | None]], list[str]],
    host: str,
    environment: Mapping[str, str],
) -> SshMaster | None:
    """Opens a connection. None where this machine has no place for its socket, or for its log.

    argv: ssh with these settings besides, without the host.

    Raises:
        NodeUnreachable: ssh did not get in.
    """
    folder = _folder()
    if folder is None:
        return None
    path = folder / "log"
    settings: dict[str, str | None] = {
        "SessionType": None,  # ssh takes no -N beside it
        "ControlMaster": "yes",
        "ControlPath": str(_socket(folder)),
        "ControlPersist": "no",
    }
    words = [*argv(settings), "-N", "-E", str(path), "--", host]
    process: Background | None = None
    pipe: SshLogPipe | None = None
    opened = False
    try:
        try:
            pipe = SshLogPipe(path)
        except OSError:
            return None
        process = await Background.start(words, environment)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_OPENS):
                opened = await _is_opened(_socket(folder), process)
        spoken = pipe.log()
        if not opened:
            raise NodeUnreachable(where, spoken.complaint(process.complaint) or "ssh failed")
        return SshMaster(folder, process, pipe, spoken)
    finally:
        if not opened:
            if process is not None:
                await process.end()
            if pipe is not None:
                pipe.close()
            shutil.rmtree(folder, ignore_errors=True)


async def _is_opened(socket: Path, process: Background) -> bool:
    while not socket.exists():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_POLL):
                await process.exited.wait()
                return False
    return True


def _socket(folder: Path) -> Path:
    return folder / "s"


def _folder() -> Path | None:
    """A folder that only we may enter, with a path that ssh takes as it is, and that fits into a socket's address."""
    for parent in _FOLDERS:
        with contextlib.suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix="kubevouch-", dir=parent))
            socket = str(_socket(folder))
            if len(socket) <= _LONGEST and _PLAIN.fullmatch(socket):
                return folder
            folder.rmdir()
    return None
