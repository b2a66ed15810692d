"""The lab's side of a node's own programs (see stubs): takes calls from the pipe, and answers them."""

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from kubevouch_lab.nodes import stubs
from kubevouch_lab.nodes.files import NodeFiles

_CALL = re.compile(rb"call\.[A-Za-z0-9]{6,16}")
_LONGEST = 256 * 1024


@dataclass(frozen=True)
class ProgramResult:
    """What a program prints, and its exit status."""

    out: str = ""
    err: str = ""
    code: int = 0


Answer = Callable[[Sequence[str]], Awaitable[ProgramResult]]
"""From a program's words (its name first) to what it says."""


class ProgramCalls:
    """Listens to one node's pipe. more: names of programs beside those that every node has."""

    def __init__(self, files: NodeFiles, answer: Answer, more: Sequence[str] = ()) -> None:
        self._files = files
        self._more = more
        self._answer = answer
        self._pipe = -1
        self._pending = b""
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Puts the programs in their place and listens."""
        for name in (*stubs.NAMES, *self._more):
            text = stubs.OWN.get(name, stubs.SCRIPT)
            self._files.write(f"{stubs.FOLDER}/{name}", text.encode(), 0o755)
        spool = self._files.path(stubs.SPOOL)
        spool.mkdir(parents=True, exist_ok=True)
        for left in spool.glob("call.*"):  # of programs that were cut off with an earlier process
            shutil.rmtree(left, ignore_errors=True)
        pipe = spool / "calls"
        pipe.unlink(missing_ok=True)
        os.mkfifo(pipe, 0o600)
        # Read and write: a pipe that nobody writes to at the moment does not end.
        self._pipe = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        asyncio.get_running_loop().add_reader(self._pipe, self._read)

    async def stop(self) -> None:
        """Who still waits for an answer gets none."""
        if self._pipe < 0:
            return
        asyncio.get_running_loop().remove_reader(self._pipe)
        os.close(self._pipe)
        self._pipe = -1
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._pending += os.read(self._pipe, 65536)
        *names, self._pending = self._pending.split(b"\n")
        self._pending = self._pending[-64:]
        for name in names:
            if _CALL.fullmatch(name):
                task = asyncio.get_running_loop().create_task(self._attend(name.decode()))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _attend(self, name: str) -> None:
        try:
            spool = self._files.path(f"{stubs.SPOOL}/{name}", follow=False)
            folder = os.open(spool, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            return
        try:
            await self._answered(folder)
        finally:
            os.close(folder)

    async def _answered(self, folder: int) -> None:
        """folder: a descriptor. What is in it was made on the node: no link is followed, it might lead out of it."""
        try:
            with os.fdopen(_opened(folder, "argv", os.O_RDONLY), "rb") as file:
                words = file.read(_LONGEST).decode(errors="replace").split("\0")[:-1]
            told = await self._answer(words)
        except Exception as error:  # noqa: BLE001 - the program must end, whatever has happened here
            told = ProgramResult(err=f"lab: {type(error).__name__}: {error}\n", code=1)
        texts = {"out": told.out, "err": told.err}
        with contextlib.suppress(OSError):
            for name, text in texts.items():
                made = _opened(folder, name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
                with os.fdopen(made, "wb") as file:
                    file.write(text.encode(errors="surrogateescape"))
            end = _opened(folder, "end", os.O_WRONLY)
            try:
                os.write(end, f"{told.code}\n".encode())
            finally:
                os.close(end)


def _opened(folder: int, name: str, how: int) -> int:
    # Without waiting: what should be a file may be a pipe.
    how |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    return os.open(name, how, 0o600, dir_fd=folder)
