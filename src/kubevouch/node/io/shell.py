"""One process with a script on its standard input: bounded output, bounded time, nothing left behind."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence

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


async def run(
    argv: Sequence[str],
    *,
    stdin: bytes,
    environment: Mapping[str, str],
    timeout: float,
) -> ProcessResult:
    """Runs it to its end, or kills its whole process group when the time is over or the caller is cancelled.

    A child of its that has gone to the background, and holds the pipes open, is not waited for.

    Args:
        argv: the program and its words; nothing secret may stand there.
        stdin: written in full, then closed.
        environment: the whole environment of the process.
        timeout: seconds.

    Raises:
        NodeUnreachable: the program is not there.
    """
    loop = asyncio.get_running_loop()
    try:
        transport, process = await loop.subprocess_exec(
            _Process, *argv, env=dict(environment), start_new_session=True
        )
    except OSError as error:
        raise NodeUnreachable(argv[0], f"cannot be started: {error.strerror}") from None
    pipe = transport.get_pipe_transport(_STDIN)
    assert isinstance(pipe, asyncio.WriteTransport)
    pipe.write(stdin)
    pipe.close()  # once all of it is written
    try:
        async with asyncio.timeout(timeout):
            await process.exited.wait()
    except TimeoutError:
        pass
    finally:
        status = transport.get_returncode()
        if status is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(transport.get_pid(), signal.SIGKILL)
            await process.exited.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await process.silent.wait()
        transport.close()
    return ProcessResult(status=status, stdout=bytes(process.stdout), stderr=bytes(process.stderr))


class _Process(asyncio.SubprocessProtocol):
    """Keeps the first bytes of each stream; the rest is dropped, so that the writer never blocks."""

    def __init__(self) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.exited = asyncio.Event()
        self.silent = asyncio.Event()
        self._open = {_STDOUT, _STDERR}

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        kept, limit = (
            (self.stdout, ANSWER_LIMIT) if fd == _STDOUT else (self.stderr, _COMPLAINT_LIMIT)
        )
        kept += data[: max(0, limit - len(kept))]

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - it ended
        self._open.discard(fd)
        if not self._open:
            self.silent.set()

    def process_exited(self) -> None:
        self.exited.set()
