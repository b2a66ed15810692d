"""Runs one process with a script on its standard input.

Limits the process's output and time, and leaves no process behind.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

import msgspec

from kubevouch.node.errors import NodeUnreachable
from kubevouch.node.script import ANSWER_LIMIT

_COMPLAINT_LIMIT = 64 * 1024
_DRAIN = 2.0
"""Seconds to read the remaining output of a process that has ended."""

_STDIN, _STDOUT, _STDERR = 0, 1, 2


class ProcessResult(msgspec.Struct, frozen=True):
    """The exit status of a process (None after a timeout), and the start of its output."""

    status: int | None
    stdout: bytes
    stderr: bytes


async def _started(
    argv: Sequence[str], environment: Mapping[str, str]
) -> tuple[asyncio.SubprocessTransport, "Process"]:
    """Starts a process. A cancellation during the start kills the process and its children.

    Without this, asyncio would kill only the process, and then wait until no child holds the pipes
    open.
    """
    starting = asyncio.ensure_future(_starting(argv, environment))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        while not starting.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([starting])
        with contextlib.suppress(NodeUnreachable):
            transport, process = starting.result()
            try:
                await _killed(transport, process)
            finally:
                transport.close()
        raise


async def _starting(
    argv: Sequence[str], environment: Mapping[str, str]
) -> tuple[asyncio.SubprocessTransport, "Process"]:
    loop = asyncio.get_running_loop()
    try:
        with _sigint_blocked():
            return await loop.subprocess_exec(
                Process, *argv, env=dict(environment), start_new_session=True
            )
    except OSError as error:
        raise NodeUnreachable(argv[0], f"cannot be started: {error.strerror}") from None


async def _killed(transport: asyncio.SubprocessTransport, process: "Process") -> None:
    """Kills the process's group, and waits until the process has ended.

    Also waits, but only briefly, if this task is cancelled: asyncio warns about a process that
    outlives the event loop.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(transport.get_pid(), signal.SIGKILL)
    cancelled: float | None = None
    while not process.exited.is_set():
        until = None if cancelled is None else cancelled + _DRAIN
        try:
            async with asyncio.timeout_at(until):
                await process.exited.wait()
        except TimeoutError:
            break
        except asyncio.CancelledError:
            cancelled = cancelled or asyncio.get_running_loop().time()
    if cancelled is not None:
        raise asyncio.CancelledError


@contextlib.contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Blocks SIGINT while a process starts, since Ctrl-C sends SIGINT to our whole process group.

    A new process belongs to this group until it has its own session, and an early SIGINT would kill
    it. So the new process inherits the blocked SIGINT. asyncio forks before its first await, so
    another concurrent start cannot unblock SIGINT before our fork.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if signal.SIGINT not in before:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


async def run(
    argv: Sequence[str],
    *,
    stdin: bytes,
    environment: Mapping[str, str],
    timeout: float,
    before: Callable[["Process"], Awaitable[bool]] | None = None,
) -> ProcessResult:
    """Runs a process to its end. Kills its process group after a timeout or a cancellation.

    Does not wait for a background child that holds the pipes open.

    Args:
        argv: the program and its arguments, without secrets.
        stdin: all data for standard input, which is then closed.
        environment: the whole environment of the process.
        timeout: the limit in seconds.
        before: talks to the process before `stdin` is written. If it returns False, `stdin` is not
            written.

    Raises:
        NodeUnreachable: the program cannot be started.
    """
    transport, process = await _started(argv, environment)
    pipe = transport.get_pipe_transport(_STDIN)
    assert isinstance(pipe, asyncio.WriteTransport)
    process.stdin = pipe
    try:
        async with asyncio.timeout(timeout):
            if before is None or await before(process):
                process.say(stdin)
            pipe.close()  # takes effect once all data is written
            await process.exited.wait()
    except TimeoutError:
        pass
    finally:
        status = transport.get_returncode()
        try:
            if status is None:
                await _killed(transport, process)
            await process.drained()
        finally:
            transport.close()
    return ProcessResult(status=status, stdout=bytes(process.stdout), stderr=bytes(process.stderr))


class Process(asyncio.SubprocessProtocol):
    """A running process, to which we can write and whose output we read.

    Keeps the first bytes of each output stream and discards the rest, so the process never blocks.
    """

    stdin: asyncio.WriteTransport

    def __init__(self) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.exited = asyncio.Event()
        self.silent = asyncio.Event()
        self.news = asyncio.Event()
        """An event that is set when the process prints something or ends."""
        self._open = {_STDOUT, _STDERR}

    def say(self, data: bytes) -> None:
        """Writes to the process's standard input."""
        self.stdin.write(data)

    async def heard(self, holds: Callable[[bytearray, bytearray], bool]) -> None:
        """Waits until `holds` is true of the output so far, or until the process has ended.

        holds: a function of standard output and standard error.
        """
        while not holds(self.stdout, self.stderr) and not self.exited.is_set():
            self.news.clear()
            await self.news.wait()
        if self.exited.is_set():
            await self.drained()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Keeps data from the start of an output stream, and drops data over the limit."""
        kept, limit = (
            (self.stdout, ANSWER_LIMIT) if fd == _STDOUT else (self.stderr, _COMPLAINT_LIMIT)
        )
        kept += data[: max(0, limit - len(kept))]
        self.news.set()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - it ended
        """Records that an output stream has ended."""
        self._open.discard(fd)
        if not self._open:
            self.silent.set()

    def process_exited(self) -> None:
        """Records that the process has ended."""
        self.exited.set()
        self.news.set()

    async def drained(self) -> None:
        """Waits until no process holds the output streams open, but only briefly."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN):
                await self.silent.wait()
