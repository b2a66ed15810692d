"""One process with a script on its standard input: bounded output, bounded time, nothing left behind."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

import msgspec

from kubevouch.node.errors import NodeUnreachable
from kubevouch.node.script import ANSWER_LIMIT

_COMPLAINT_LIMIT = 64 * 1024
_LAST_WORDS = 2.0
"""Seconds in which what a process has written is read after its end."""

_STDIN, _STDOUT, _STDERR = 0, 1, 2


class ProcessResult(msgspec.Struct, frozen=True):
    """What a process left: its exit status (None: the time ran out) and the beginning of its output."""

    status: int | None
    stdout: bytes
    stderr: bytes


class Talk:
    """What is said to a process before it gets its standard input, by what it has said so far."""

    def __init__(self, process: "_Process", pipe: asyncio.WriteTransport) -> None:
        self._process = process
        self._pipe = pipe

    @property
    def out(self) -> bytes:
        """The beginning of its standard output, as far as it has come."""
        return bytes(self._process.stdout)

    @property
    def err(self) -> bytes:
        """The same of its standard error."""
        return bytes(self._process.stderr)

    def say(self, data: bytes) -> None:
        """Writes it to its standard input."""
        self._pipe.write(data)

    async def heard(self, holds: Callable[[bytes, bytes], bool]) -> None:
        """Waits until that holds of its standard output and its standard error, or it has ended."""
        while not holds(self.out, self.err) and not self._process.exited.is_set():
            self._process.news.clear()
            await self._process.news.wait()
        if self._process.exited.is_set():
            await self._process.last_words()


async def _started(
    argv: Sequence[str], environment: Mapping[str, str]
) -> tuple[asyncio.SubprocessTransport, "_Process"]:
    """Whoever cancels this waits for the milliseconds until it has started, and it is killed with its children.

    asyncio kills the process alone, and then waits until no child of it holds the pipes.
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
) -> tuple[asyncio.SubprocessTransport, "_Process"]:
    loop = asyncio.get_running_loop()
    try:
        with _deaf_from_the_start():
            return await loop.subprocess_exec(
                _Process, *argv, env=dict(environment), start_new_session=True
            )
    except OSError as error:
        raise NodeUnreachable(argv[0], f"cannot be started: {error.strerror}") from None


async def _killed(transport: asyncio.SubprocessTransport, process: "_Process") -> None:
    """Its whole process group is killed, and it has ended.

    Whoever cancels this waits for that, too, at most for a moment: asyncio has words on the terminal about a process that
    outlives its loop.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(transport.get_pid(), signal.SIGKILL)
    cancelled: float | None = None
    while not process.exited.is_set():
        until = None if cancelled is None else cancelled + _LAST_WORDS
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
def _deaf_from_the_start() -> Iterator[None]:
    """What is started inside never hears the Ctrl-C of our terminal, whose signal goes to each process of our group.

    A new process belongs to it until it has its own session, and would die of what has come by then. So it inherits the
    signal blocked; we get it a moment later. asyncio starts it before it waits for anything, so the one of several that
    ends first may unblock for all.
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
    before: Callable[[Talk], Awaitable[bool]] | None = None,
) -> ProcessResult:
    """Runs it to its end, or kills its whole process group when the time is over or the caller is cancelled.

    A child of its that has gone to the background, and holds the pipes open, is not waited for.

    Args:
        argv: the program and its words; nothing secret may stand there.
        stdin: written in full, then closed.
        environment: the whole environment of the process.
        timeout: seconds.
        before: what is said before that. If it comes to False, standard input is closed without more.

    Raises:
        NodeUnreachable: the program is not there.
    """
    transport, process = await _started(argv, environment)
    pipe = transport.get_pipe_transport(_STDIN)
    assert isinstance(pipe, asyncio.WriteTransport)
    try:
        async with asyncio.timeout(timeout):
            if before is None or await before(Talk(process, pipe)):
                pipe.write(stdin)
            pipe.close()  # once all of it is written
            await process.exited.wait()
    except TimeoutError:
        pass
    finally:
        status = transport.get_returncode()
        try:
            if status is None:
                await _killed(transport, process)
            await process.last_words()
        finally:
            transport.close()
    return ProcessResult(status=status, stdout=bytes(process.stdout), stderr=bytes(process.stderr))


class _Process(asyncio.SubprocessProtocol):
    """Keeps the first bytes of each stream; the rest is dropped, so that the writer never blocks."""

    def __init__(self) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.exited = asyncio.Event()
        self.silent = asyncio.Event()
        self.news = asyncio.Event()
        """Set with all that comes from it, and at its end."""
        self._open = {_STDOUT, _STDERR}

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        kept, limit = (
            (self.stdout, ANSWER_LIMIT) if fd == _STDOUT else (self.stderr, _COMPLAINT_LIMIT)
        )
        kept += data[: max(0, limit - len(kept))]
        self.news.set()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - it ended
        self._open.discard(fd)
        if not self._open:
            self.silent.set()

    def process_exited(self) -> None:
        self.exited.set()
        self.news.set()

    async def last_words(self) -> None:
        """Waits until nobody holds its streams open, but not for long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await self.silent.wait()
