"""kubevouch as a process of its own that need not be started: it is forked from one that has loaded it (fork_server.py)."""

import asyncio
import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.cli.fork_server import LONGEST
from tests.cli.program import Process, Program, Start, base_environment

READ_AT_THE_START = ("PYTHON", "LANG", "LC_")
"""How the names of variables begin that Python looks at before it runs anything: such a program must be started."""

_COVERAGE = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
"""By which coverage.py, where it runs the tests, traces the programs, too. A program that is forked does not see it."""


class Forked(Program):
    """The program, but for what Python makes of its environment when it starts."""

    async def _begun(self, start: Start) -> Process:
        if start.under:
            return await super()._begun(start)
        changed = dict(start.environment.items() ^ base_environment(self.home).items())
        assert not [name for name in changed if name.startswith(READ_AT_THE_START)], changed
        return await _forked(start)


@cache
def _server() -> socket.socket:
    """Its socket: it begins with the first that asks, and ends with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        number = theirs.fileno()
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fork_server.py")), str(number)],
            stdin=subprocess.DEVNULL,
            env={**base_environment(Path("/")), **_COVERAGE},
            pass_fds=[number],
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


@dataclass(frozen=True)
class Pipe:
    """The end of a pipe from which we read."""

    reader: asyncio.StreamReader
    transport: asyncio.ReadTransport

    @classmethod
    async def of(cls, descriptor: int) -> "Pipe":
        """Takes the descriptor over."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
        )
        return cls(reader, transport)


class ForkedProcess:
    """A child of the server's, by what asyncio has for one of ours."""

    def __init__(self, pid: int, told: Pipe, given: int | None, printed: list[Pipe]) -> None:
        """told: where the server says how it ended. given: its standard input, unless that is a terminal."""
        self.pid = pid
        self.returncode: int | None = None
        self._told = told
        self._given = given
        self._printed = printed

    @property
    def stderr(self) -> asyncio.StreamReader | None:
        """Unless that is a terminal."""
        return self._printed[1].reader if self._printed else None

    async def communicate(self, given: bytes | None = None, /) -> tuple[bytes | None, bytes | None]:
        """What it prints to its end. given: what it gets on its standard input, which a pipe can hold."""
        if self._given is not None:
            with contextlib.suppress(
                BrokenPipeError
            ):  # it has ended without reading, as with asyncio's own
                os.write(self._given, given or b"")
        self._gives_no_more()
        read = await asyncio.gather(*(each.reader.read() for each in self._printed))
        await self.wait()
        out, err = read or (None, None)
        return out, err

    async def wait(self) -> int:
        """How it ended: its exit code, or less than 0 for a signal."""
        if self.returncode is None:
            self.returncode = int(await self._told.reader.readline())
            self._gives_no_more()
            for each in (self._told, *self._printed):
                each.transport.close()
        return self.returncode

    def send_signal(self, sent: int, /) -> None:
        """Unless it is known to have ended."""
        if self.returncode is None:
            os.kill(self.pid, sent)

    def kill(self) -> None:
        """Ends it."""
        self.send_signal(signal.SIGKILL)

    def _gives_no_more(self) -> None:
        if self._given is not None:
            os.close(self._given)
            self._given = None


async def _forked(start: Start) -> ForkedProcess:
    line = {
        "words": start.words,
        "environment": dict(start.environment),
        "folder": str(start.folder),
        "own_terminal": start.terminal is not None,
    }
    message = json.dumps(line).encode()
    assert len(message) < LONGEST
    told, teller = os.pipe()
    given: int | None = None
    printed: list[int] = []
    if start.terminal is None:
        (stdin, given), (out, stdout), (err, stderr) = os.pipe(), os.pipe(), os.pipe()
        theirs, printed = [stdin, stdout, stderr], [out, err]
    else:
        theirs = [os.dup(start.terminal) for _ in range(3)]
    socket.send_fds(_server(), [message], [*theirs, teller])
    for each in (*theirs, teller):
        os.close(each)
    pipe = await Pipe.of(told)
    pipes = [await Pipe.of(each) for each in printed]
    return ForkedProcess(int(await pipe.reader.readline()), pipe, given, pipes)
