"""A server of kubevouch's as a process of its own: the lines that it logs, and how to ask it."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.cli.program import Process, Program
from tests.support.authority import Pair
from tests.support.front_proxy import answered, client_context
from tests.support.unhurried import GENEROUS

_LISTENS = r'"Serving securely on [^"]*:(\d+)"'
"""Where it listens, in either form of its log."""


@dataclass
class ServerProcess:
    """The process, its lines so far, and the folder of its own key pair. port: 0 until it was asked for."""

    process: Process
    folder: Path
    lines: list[str] = field(default_factory=list)
    port: int = 0

    async def told(self, pattern: str) -> re.Match[str]:
        """Waits for a line."""
        end = time.monotonic() + GENEROUS
        while True:
            for line in self.lines:
                if found := re.search(pattern, line):
                    return found
            whole = f"no line like {pattern} in\n{''.join(self.lines)}"
            assert self.process.returncode is None, whole
            assert time.monotonic() < end, whole
            await asyncio.sleep(0.02)

    async def listens(self) -> None:
        """Waits until it serves."""
        self.port = int((await self.told(_LISTENS))[1])

    @property
    def roots(self) -> bytes:
        """The authority of its certificate."""
        return (self.folder / "apiserver.crt").read_bytes()

    async def get(
        self, path: str, pair: Pair | None = None, headers: list[tuple[str, str]] | None = None
    ) -> tuple[int, str]:
        """The answer's code and text. pair: with which the client shows who it is."""
        if not self.port:
            await self.listens()
        return await answered(self.port, path, client_context(self.roots, pair), headers or ())


@contextlib.asynccontextmanager
async def serving(program: Program, folder: Path, *words: str) -> AsyncIterator[ServerProcess]:
    """It runs with a key pair of its own in the folder, at a free port, until the end of the block."""
    process = await program.started(
        *words, f"--cert-dir={folder}", "--bind-address=127.0.0.1", "--secure-port=0"
    )
    running = ServerProcess(process, folder)
    following = asyncio.create_task(_follow(running))
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        following.cancel()


async def _follow(running: ServerProcess) -> None:
    assert running.process.stderr
    async for line in running.process.stderr:
        running.lines.append(line.decode())
