"""kubevouch as a process of its own, beside the servers of the test: what it prints, and how it ends."""

import asyncio
import contextlib
import fcntl
import os
import re
import select
import signal
import sys
import termios
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.support.unhurried import GENEROUS

KUBEVOUCH = (sys.executable, "-m", "kubevouch")
CTRL_C = b"\x03"
AGAIN = 10.0
"""Seconds without an answer after which Ctrl-C is pressed again."""


@dataclass(frozen=True)
class Ran:
    """A process that has ended."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> str:
        """What it printed, in one line."""
        return " ".join(self.out.split())

    def __str__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Process(Protocol):
    """What is asked of one that runs, of those that asyncio's has."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    @property
    def stderr(self) -> asyncio.StreamReader | None: ...

    async def communicate(self, given: bytes | None = None, /) -> tuple[bytes | None, bytes | None]: ...  # fmt: skip
    async def wait(self) -> int: ...
    def send_signal(self, sent: int, /) -> None: ...
    def kill(self) -> None: ...


@dataclass(frozen=True)
class Start:
    """How a process begins. under: the words of a program that starts it. terminal: of a session of its own, for everything."""

    words: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    under: Sequence[str] = ()
    terminal: int | None = None


def base_environment(home: Path) -> dict[str, str]:
    """What every program has."""
    return {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


@dataclass
class Program:
    """What it is started with: this environment and nothing else of ours."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def _environment(self) -> dict[str, str]:
        return base_environment(self.home) | self.environment

    def away(self) -> Path:
        """A kubeconfig beside the one that is there, with an address at which nobody listens."""
        path = self.home / "away"
        there = (self.home / "kubeconfig").read_text()
        path.write_text(there.replace("127.0.0.1", "127.9.9.9"))
        return path

    async def __call__(
        self,
        *words: str,
        stdin: bytes = b"",
        environment: Mapping[str, str] = {},
        code: int | None = None,
    ) -> Ran:
        """Runs it to its end. It never shows a trace, nor that it did not foresee what happened.

        code: how it has to end, here as in the others.
        """
        return await ended(await self.started(*words, environment=environment), stdin, code)

    async def several(
        self, *lines: Sequence[str], environments: Sequence[Mapping[str, str]] = ()
    ) -> list[Ran]:
        """Many command lines, one after the other."""
        extra = environments or [{}] * len(lines)
        return [
            await self(*words, environment=more) for words, more in zip(lines, extra, strict=True)
        ]

    async def refuses(self, told: Mapping[tuple[str, ...], str]) -> list[Ran]:
        """Each of these command lines, and says that of it."""
        answers = await self.several(*told)
        for (words, text), ran in zip(told.items(), answers, strict=True):
            assert (ran.code, ran.out) == (2, ""), (words, ran)
            assert text in ran.err, (words, ran)
        return answers

    async def started(
        self, *words: str, environment: Mapping[str, str] = {}, under: Sequence[str] = ()
    ) -> Process:
        """under: the words of a program that starts it."""
        return await self._begun(
            Start(words, {**self._environment, **environment}, self.home, under)
        )

    async def _begun(self, start: Start) -> Process:
        streams = PIPE if start.terminal is None else start.terminal
        return await asyncio.create_subprocess_exec(
            *start.under,
            *KUBEVOUCH,
            *start.words,
            stdin=streams,
            stdout=streams,
            stderr=streams,
            env=start.environment,
            cwd=start.folder,
            preexec_fn=None if start.terminal is None else _own_terminal,
        )

    async def with_a_wrong_clock(self, seconds: float, *words: str) -> Ran:
        """On a machine whose clock is so many seconds ahead, or behind."""
        under = (sys.executable, "-m", "tests.support.wrong_clock", str(seconds))
        here = {"PYTHONPATH": str(Path(__file__).parents[2])}
        return await ended(await self.started(*words, environment=here, under=under))

    async def interrupted(
        self,
        *words: str,
        once: Callable[[], bool],
        sent: signal.Signals = signal.SIGINT,
        code: int | None = None,
    ) -> Ran:
        """Ctrl-C, or another signal, as soon as that is so."""
        process = await self.started(*words)
        async with asyncio.timeout(GENEROUS):
            while not once():
                await asyncio.sleep(0.01)
        process.send_signal(sent)
        return await ended(process, code=code)

    async def in_shell(self, line: str, code: int | None = None) -> Ran:
        """A line for bash, with the program as `kubevouch`."""
        argv = " ".join(KUBEVOUCH)
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            f'kubevouch() {{ {argv} "$@"; }}; {line}',
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env=self._environment,
            cwd=self.home,
        )
        return await ended(process, code=code)

    async def at_a_terminal(
        self,
        *words: str,
        columns: int = 80,
        typed: Mapping[str, bytes | signal.Signals] = {},
        typed_ahead: bytes = b"",
        environment: Mapping[str, str] = {},
        code: int | None = None,
    ) -> Ran:
        """With a terminal for everything, that many columns wide. typed: what is typed once some text is there, or the signal
        that comes then.

        typed_ahead: what is typed before the program has begun.

        What it printed is in `out`, as the terminal got it.
        """
        ours, theirs = os.openpty()
        termios.tcsetwinsize(theirs, (24, columns))
        os.write(ours, typed_ahead)
        try:
            process = await self._begun(
                Start(
                    words,
                    {**self._environment, "TERM": "xterm", **environment},
                    self.home,
                    terminal=theirs,
                )
            )
        finally:
            os.close(theirs)
        answers = {text: _key_or_signal(process.pid, each) for text, each in typed.items()}
        reading = asyncio.get_running_loop().run_in_executor(None, _talk, ours, answers)
        ran = await ended(process)
        shown = (await reading).decode().replace("\r\n", "\n")
        return has_ended(Ran(ran.code, shown, ran.err), code)


def _own_terminal() -> None:
    """Of a session of its own: Ctrl-C typed there is for this process."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@dataclass(frozen=True)
class Answer:
    """What comes once some text is there. insists: it comes again as long as nothing follows."""

    give: Callable[[int], object]
    insists: bool


def _key_or_signal(process: int, each: bytes | signal.Signals) -> Answer:
    """Between printing a prompt and reading, Python only notes a signal; like a person, we send it once more."""
    if isinstance(each, signal.Signals):
        return Answer(lambda _: os.kill(process, each), insists=True)
    return Answer(lambda terminal: os.write(terminal, each), insists=each == CTRL_C)


def _talk(terminal: int, answers: dict[str, Answer]) -> bytes:
    """All that comes, until its other end is closed; answers are given as soon as their text is there."""
    found = b""
    last = Answer(lambda _: None, insists=False)
    with contextlib.suppress(OSError):
        while True:
            if not select.select([terminal], [], [], AGAIN if last.insists else None)[0]:
                last.give(terminal)
                continue
            if not (data := os.read(terminal, 65536)):
                break
            found += data
            for text in [each for each in answers if each.encode() in found]:
                last = answers.pop(text)
                last.give(terminal)
    os.close(terminal)
    return found


async def ended(process: Process, stdin: bytes | None = None, code: int | None = None) -> Ran:
    """Its end; or that it hangs, which is a failure, and its end then, too. code: how it has to end."""
    try:
        async with asyncio.timeout(GENEROUS):
            out, err = await process.communicate(stdin)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    ran = Ran(process.returncode, (out or b"").decode(), (err or b"").decode())
    return has_ended(_seen(ran), code)


def has_ended(ran: Ran, code: int | None) -> Ran:
    """The same, which has to have ended so; None: anyhow."""
    assert code in (None, ran.code), f"expected exit {code}, got {ran}"
    return ran


_STRANGE_KEY = re.compile(r'"(?![a-z][a-zA-Z0-9]*": )\w+": ')


def _seen(ran: Ran) -> Ran:
    """Never a trace, never something that nobody foresaw, and no key of JSON that is not in lowerCamelCase."""
    assert not (ran.out.startswith("{") and _STRANGE_KEY.search(ran.out)), ran
    for trace in ("Traceback", "internal error", "Exception ignored"):
        assert trace not in ran.err, ran
    return ran
