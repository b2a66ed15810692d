"""How other processes speak to the one that runs a lab: a socket in its folder, one JSON line each way.

Only the user who owns the folder can reach it. What is asked: {"do": VERB, ...}; the answer: {"ok": {...}} or
{"error": [where, seen, expected], "code": EXIT CODE}.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from kubevouch.errors import ExitCode, KubevouchError, UsageError
from kubevouch_lab.cluster.folder import Folder, LabError

Message = dict[str, Any]
Answering = Callable[[Message], Awaitable[Message]]
_LARGEST = 1024 * 1024
_LONGEST_PATH = 100
"""sockaddr_un.sun_path holds 108 bytes on Linux, 104 elsewhere (unix(7))."""


class ControlSocket:
    """The end of the lab. answering: what does what is asked; a KubevouchError of it is told to who asked."""

    def __init__(self, folder: Folder, answering: Answering) -> None:
        self._folder = folder
        self._answering = answering
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listens. The lock of the folder is held: a socket that lies there is of a process that was killed."""
        self._folder.control.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        with _reachable(self._folder.control) as path:
            listening.bind(path)
        self._folder.control.chmod(0o600)
        self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=_LARGEST)

    async def stop(self) -> None:
        """Hears nothing more."""
        if self._server is not None:
            self._server.close()
        self._folder.control.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer: Message
        try:
            answer = {"ok": await self._answering(msgspec.json.decode(await reader.readline()))}
        except KubevouchError as error:
            answer = {"error": [error.where, error.seen, error.expected], "code": error.exit_code}
        except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            answer = {"error": ["the lab", f"received an unknown request: {error}", ""]}
        with contextlib.suppress(OSError):
            writer.write(msgspec.json.encode(answer) + b"\n")
            await writer.drain()
        writer.close()


def ask(folder: Folder, what: Message, *, timeout: float = 60.0) -> Message:
    """Asks the lab that runs in the folder. Blocks.

    Raises:
        LabError: none runs there, it does not answer, or it cannot do that.
        UsageError: what is asked for does not exist.
    """
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(timeout)
            with _reachable(folder.control) as path:
                asking.connect(path)
            asking.sendall(msgspec.json.encode(what) + b"\n")
            with asking.makefile("rb") as answers:
                answer = msgspec.json.decode(answers.readline(_LARGEST) or b"{}", type=Message)
    except (FileNotFoundError, ConnectionRefusedError):
        raise LabError(str(folder.root), "no lab runs here", "kubevouch lab up") from None
    except (OSError, msgspec.DecodeError) as error:
        raise LabError(str(folder.control), f"the lab does not answer: {error}") from None
    if "ok" not in answer:
        failure = UsageError if answer.get("code") == ExitCode.USAGE else LabError
        raise failure(*answer.get("error", ("the lab", "exited before it answered", "")))
    found: Message = answer["ok"]
    return found


@contextlib.contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """The path of a socket, short enough for the system. Raises LabError if it cannot be made short enough."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    if not Path("/proc/self/fd").is_dir():
        raise LabError(str(path), "is too long for a socket", "choose a shorter --dir")
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
