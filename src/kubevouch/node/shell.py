"""One process with a script on its standard input: bounded output, bounded time, nothing left behind."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence

import msgspec

from kubevouch.node.errors import Unreachable
from kubevouch.node.script import ANSWER_LIMIT

_COMPLAINT_LIMIT = 64 * 1024


class Ran(msgspec.Struct, frozen=True):
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
) -> Ran:
    """Runs it to its end, or kills its whole process group when the time is over or the caller is cancelled.

    Args:
        argv: the program and its words; nothing secret may stand there.
        stdin: written in full, then closed.
        environment: the whole environment of the process.
        timeout: seconds.

    Raises:
        Unreachable: the program is not there.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        raise Unreachable(argv[0], f"cannot be started: {error.strerror}") from None
    assert process.stdin and process.stdout and process.stderr
    reading = asyncio.gather(
        _head(process.stdout, ANSWER_LIMIT), _head(process.stderr, _COMPLAINT_LIMIT)
    )
    try:
        async with asyncio.timeout(timeout):
            await _feed(process.stdin, stdin)
            stdout, stderr = await asyncio.shield(reading)
            status: int | None = await process.wait()
    except TimeoutError:
        _kill(process)
        stdout, stderr = await reading
        status = None
    except asyncio.CancelledError:
        _kill(process)
        await reading
        raise
    finally:
        await process.wait()
    return Ran(status=status, stdout=stdout, stderr=stderr)


async def _feed(stdin: asyncio.StreamWriter, data: bytes) -> None:
    try:
        stdin.write(data)
        await stdin.drain()
        stdin.close()
        await stdin.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        pass  # it ended before it had read everything; its status says why


async def _head(stream: asyncio.StreamReader, limit: int) -> bytes:
    """The first `limit` bytes; the rest is read and dropped, so that the writer never blocks."""
    kept = bytearray()
    while chunk := await stream.read(65536):
        kept += chunk[: max(0, limit - len(kept))]
    return bytes(kept)


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
