"""kubevouch as a process of its own, beside the servers of the test: what it prints, and how it ends."""

import asyncio
import contextlib
import fcntl
import json
import os
import select
import signal
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.unhurried import GENEROUS

KUBEVOUCH = (sys.executable, "-m", "kubevouch")
CTRL_C = b"\x03"
AGAIN = 2.0
"""Seconds without an answer after which Ctrl-C is pressed again."""


@dataclass(frozen=True)
class Ran:
    """A process that has ended."""

    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@dataclass
class Program:
    """What it is started with: this environment and nothing else of ours."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def _environment(self) -> dict[str, str]:
        base = {"HOME": str(self.home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        return base | self.environment

    async def __call__(
        self, *words: str, stdin: bytes = b"", environment: Mapping[str, str] = {}
    ) -> Ran:
        """Runs it to its end. It never shows a trace, nor that it did not foresee what happened."""
        return await ended(await self.started(*words, environment=environment), stdin)

    async def several(
        self, *lines: Sequence[str], environments: Sequence[Mapping[str, str]] = ()
    ) -> list[Ran]:
        """Many command lines, one after the other, for the price of one start."""
        extra = environments or [{}] * len(lines)
        asked = [
            {"words": list(words), "environment": {**self._environment, **more}}
            for words, more in zip(lines, extra, strict=True)
        ]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("several.py")),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.home,
        )
        ran = await ended(process, json.dumps(asked).encode())
        assert (ran.code, ran.err) == (0, ""), ran
        return [_seen(Ran(**each)) for each in json.loads(ran.out)]

    async def started(
        self, *words: str, environment: Mapping[str, str] = {}
    ) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            *KUBEVOUCH,
            *words,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env={**self._environment, **environment},
            cwd=self.home,
        )

    async def with_a_wrong_clock(self, seconds: float, *words: str) -> Ran:
        """On a machine whose clock is so many seconds ahead, or behind."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.wrong_clock", str(seconds)),
            *KUBEVOUCH,
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**self._environment, "PYTHONPATH": str(Path(__file__).parents[2])},
            cwd=self.home,
        )
        return await ended(process)

    async def interrupted(self, *words: str, once: Callable[[], bool]) -> Ran:
        """Ctrl-C, as soon as that is so."""
        process = await self.started(*words)
        async with asyncio.timeout(GENEROUS):
            while not once():
                await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        return await ended(process)

    async def in_shell(self, line: str) -> Ran:
        """A line for bash, with the program as `kubevouch`."""
        argv = " ".join(KUBEVOUCH)
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            f'kubevouch() {{ {argv} "$@"; }}; {line}',
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
            cwd=self.home,
        )
        return await ended(process)

    async def on_a_terminal(self, *words: str, environment: Mapping[str, str] = {}) -> Ran:
        """With a terminal for its result; standard error stays apart."""
        ours, theirs = os.openpty()
        try:
            process = await asyncio.create_subprocess_exec(
                *KUBEVOUCH,
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=theirs,
                stderr=asyncio.subprocess.PIPE,
                env={**self._environment, **environment},
            )
        finally:
            os.close(theirs)
        reading = asyncio.get_running_loop().run_in_executor(None, _all_of, ours)
        ran = await ended(process)
        return Ran(ran.code, (await reading).decode(), ran.err)

    async def at_a_terminal(
        self,
        *words: str,
        columns: int = 80,
        typed: Mapping[str, bytes] = {},
        typed_ahead: bytes = b"",
        environment: Mapping[str, str] = {},
    ) -> Ran:
        """With a terminal for everything, that many columns wide. typed: what is typed once some text is there.

        typed_ahead: what is typed before the program has begun.

        What it printed is in `out`, as the terminal got it.
        """
        ours, theirs = os.openpty()
        termios.tcsetwinsize(theirs, (24, columns))
        os.write(ours, typed_ahead)
        try:
            process = await asyncio.create_subprocess_exec(
                *KUBEVOUCH,
                *words,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                env={**self._environment, "TERM": "xterm", **environment},
                cwd=self.home,
                preexec_fn=_own_terminal,
            )
        finally:
            os.close(theirs)
        reading = asyncio.get_running_loop().run_in_executor(None, _talk, ours, dict(typed))
        ran = await ended(process)
        return Ran(ran.code, (await reading).decode().replace("\r\n", "\n"), ran.err)


def _own_terminal() -> None:
    """Of a session of its own: Ctrl-C typed there is for this process."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _talk(terminal: int, typed: dict[str, bytes]) -> bytes:
    """All that comes, until its other end is closed; answers are typed as soon as their text is there.

    Between printing a prompt and reading, Python only notes a Ctrl-C; like a person, we press it once more.
    """
    found, last = b"", b""
    with contextlib.suppress(OSError):
        while True:
            if not select.select([terminal], [], [], AGAIN if last == CTRL_C else None)[0]:
                os.write(terminal, last)
                continue
            if not (data := os.read(terminal, 65536)):
                break
            found += data
            for text in [each for each in typed if each.encode() in found]:
                last = typed.pop(text)
                os.write(terminal, last)
    os.close(terminal)
    return found


def _all_of(terminal: int) -> bytes:
    """Until its other end is closed: Linux then says EIO."""
    found = b""
    with contextlib.suppress(OSError):
        while data := os.read(terminal, 65536):
            found += data
    os.close(terminal)
    return found


async def ended(process: asyncio.subprocess.Process, stdin: bytes | None = None) -> Ran:
    """Its end; or that it hangs, which is a failure, and its end then, too."""
    try:
        async with asyncio.timeout(GENEROUS):
            out, err = await process.communicate(stdin)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return _seen(Ran(process.returncode, (out or b"").decode(), (err or b"").decode()))


def _seen(ran: Ran) -> Ran:
    """Never a trace, and never something that nobody foresaw."""
    for trace in ("Traceback", "internal error", "Exception ignored"):
        assert trace not in ran.err, ran
    return ran
