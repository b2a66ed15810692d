"""One session of a node's sshd: a command or a shell, as a program in the node's shell."""

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Mapping
from typing import Any, Final

import asyncssh

from kubevouch_lab.nodes.shell import NoShell
from kubevouch_lab.nodes.system import System

_CHUNK: Final = 64 * 1024
_PLENTY: Final = 1024 * 1024
"""Bytes from the client that wait for the program; more are not read."""
_NO_SUCH: Final = 127
Size = tuple[int, int, int, int]


class Session(asyncssh.SSHServerSession[bytes]):
    """Callbacks of asyncssh; the work is done by a task. A client that goes leaves its program running."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._argv: tuple[str, ...] = ("/bin/sh", "-l")
        self._terminal = ""
        self._size: Size = (80, 24, 0, 0)
        self._master = -1
        self._given: asyncio.Queue[bytes] = asyncio.Queue()
        self._waiting = 0
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = False
        self._task: asyncio.Task[None] | None = None
        self._channel: asyncssh.SSHServerChannel[bytes]

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """The way back."""
        self._channel = chan

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - it is gone
        """Nobody listens any more."""
        self._gone = True
        self._writable.set()
        self._given.put_nowait(b"")

    def pty_requested(
        self,
        term_type: str,
        term_size: Size,
        term_modes: Mapping[int, int],  # noqa: ARG002 - sane ones
    ) -> bool:
        """A terminal."""
        self._terminal, self._size = term_type, term_size
        return True

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """The window has another size now."""
        self._size = (width, height, pixwidth, pixheight)
        if self._master >= 0:
            _resize(self._master, self._size)

    def shell_requested(self) -> bool:
        """A login shell."""
        return True

    def exec_requested(self, command: str) -> bool:
        """A command line, for the shell."""
        self._argv = ("/bin/sh", "-c", command)
        return True

    def session_started(self) -> None:
        """It is known what is to run."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def data_received(self, data: bytes, datatype: Any) -> None:  # noqa: ANN401, ARG002 - asyncssh's
        """From the client."""
        self._given.put_nowait(data)
        self._waiting += len(data)
        if self._waiting > _PLENTY:
            self._channel.pause_reading()

    def eof_received(self) -> bool:
        """The client has said all; it still listens."""
        self._given.put_nowait(b"")
        return True

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._writable.set()

    async def _run(self) -> None:
        self._system.processes.tick()
        try:
            if self._terminal:
                code = await self._in_terminal()
            else:
                code = await self._in_pipes()
        except NoShell as error:
            self._say(f"{error}\n".encode(), error=True)
            code = _NO_SUCH
        if self._gone:
            return
        if code < 0:
            name = signal.Signals(-code).name.removeprefix("SIG")
            self._channel.exit_with_signal(name)
        else:
            self._channel.exit(code)

    async def _in_pipes(self) -> int:
        process = await self._system.namespace.spawn(self._argv)
        assert process.stdin
        assert process.stdout
        assert process.stderr
        feeding = asyncio.ensure_future(self._feed(process.stdin))
        # As sshd: until both streams have ended, which a child in the background may hold open.
        await asyncio.gather(
            self._show(process.stdout, error=False), self._show(process.stderr, error=True)
        )
        code = await process.wait()
        feeding.cancel()
        return code

    async def _feed(self, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await self._given.get():
                self._taken(data)
                sink.write(data)
                await sink.drain()
        sink.close()

    async def _show(self, source: asyncio.StreamReader, *, error: bool) -> None:
        while data := await source.read(_CHUNK):
            await self._writable.wait()
            self._say(data, error=error)

    async def _in_terminal(self) -> int:
        """A real terminal of this machine, whose far end is ours."""
        loop = asyncio.get_running_loop()
        self._master, slave = os.openpty()
        ended = asyncio.Event()
        try:
            _resize(self._master, self._size)
            os.set_blocking(self._master, False)
            # Without job control: the terminal's process groups are of another pid namespace.
            argv = (*self._argv, "+m") if self._argv[-1] == "-l" else self._argv
            process = await self._system.namespace.spawn_on(slave, argv, self._terminal)
            os.close(slave)
            loop.add_reader(self._master, self._from_terminal, ended)
            typing = asyncio.ensure_future(self._type())
            code = await process.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await ended.wait()
            typing.cancel()
            return code
        finally:
            loop.remove_reader(self._master)
            os.close(self._master)
            self._master = -1

    def _from_terminal(self, ended: asyncio.Event) -> None:
        try:
            data = os.read(self._master, _CHUNK)
        except BlockingIOError:
            return
        except OSError:  # EIO: nobody has it open any more
            data = b""
        if data:
            self._say(data, error=False)
        else:
            asyncio.get_running_loop().remove_reader(self._master)
            ended.set()

    async def _type(self) -> None:
        while data := await self._given.get():
            self._taken(data)
            with contextlib.suppress(OSError):
                os.write(self._master, data)
        with contextlib.suppress(OSError):
            os.write(self._master, b"\x04")

    def _taken(self, data: bytes) -> None:
        full = self._waiting > _PLENTY
        self._waiting -= len(data)
        if full and self._waiting <= _PLENTY:
            self._channel.resume_reading()

    def _say(self, data: bytes, *, error: bool) -> None:
        if not self._gone:
            with contextlib.suppress(OSError, asyncssh.Error):
                self._channel.write(data, asyncssh.EXTENDED_DATA_STDERR if error else None)


def _resize(terminal: int, size: Size) -> None:
    width, height, pixwidth, pixheight = size
    packed = struct.pack("HHHH", height, width, pixwidth, pixheight)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, packed)
