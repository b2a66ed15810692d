"""A signal that ends a verb may meet any of its tasks: who has sent it is told nothing about tasks."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from kubevouch.cli.common.event_loop import run_loop
from kubevouch.cli.common.signals import ended_as_by_ctrl_c
from kubevouch.node.io.shell import run
from tests.support.unhurried import GENEROUS

PATH_ALONE = {"PATH": os.environ["PATH"]}
Handler = signal.Handlers | Callable[[int, FrameType | None], object]


@contextlib.contextmanager
def as_a_program(sigint: Handler) -> Iterator[None]:
    """Signals as a program finds them at its start; coverage.py has a handler of SIGTERM of its own."""
    dispositions = {signal.SIGINT: sigint, signal.SIGTERM: signal.SIG_DFL}
    before = {each: signal.signal(each, to) for each, to in dispositions.items()}
    try:
        with ended_as_by_ctrl_c():
            yield
    finally:
        for each, former in before.items():
            signal.signal(each, former)


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """What is said of things that are still open when they are freed. Who interrupts twice wants to hear no more of it."""
    gc.collect()  # what earlier tests have left is none of it
    words: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", words.append)
    level = logging.getLogger("asyncio").level
    with warnings.catch_warnings():
        yield words
    logging.getLogger("asyncio").setLevel(level)


def test_sigterm_in_the_middle_of_a_task_leaves_no_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As in the background of a script, where SIGINT is ignored and asyncio looks for none."""

    async def draws() -> None:
        signal.raise_signal(signal.SIGTERM)

    async def work() -> None:
        drawing = asyncio.create_task(draws())
        try:
            await asyncio.Event().wait()
        finally:
            await drawing

    with as_a_program(signal.SIG_IGN), pytest.raises(KeyboardInterrupt):
        run_loop(work())
    gc.collect()
    assert caplog.messages == []


class Interrupting:
    """Sends a signal at the n-th step of a program, where a step is the call of a function; then, if held, again and again."""

    def __init__(self, step: int, sends: signal.Signals, *, held_after: int | None) -> None:
        self._steps = {step} if held_after is None else {step, step + held_after}
        self._last = max(self._steps) if held_after is not None else None
        self._sends = sends
        self._held = False
        self._let_go = threading.Event()
        self._key = threading.Thread(target=self._repeats)
        self.count = 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event != "call":
            return
        self.count += 1
        if self.count == self._last:
            self._held = True
            self._key.start()
        if self.count in self._steps:
            signal.raise_signal(self._sends)

    def _repeats(self) -> None:
        while self._held:
            self._let_go.wait(AGAIN)
            if self._held:
                os.kill(os.getpid(), self._sends)

    def let_go(self) -> None:
        """After this no more signals come."""
        self._held = False
        sys.setprofile(None)
        self._let_go.set()
        if self._key.ident is not None:
            self._key.join()


AGAIN = 0.05
"""Seconds after which a key that is held down comes again."""


def still_there(lasts: str) -> dict[int, str]:
    """The processes that were to stay for so many seconds, by their IDs; nobody else's do."""
    found = {}
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if lasts in (line := each.read_text()):
                found[int(each.parent.name)] = line.replace("\0", " ")
    return found


def until_none_is_there(lasts: str) -> None:
    until = time.monotonic() + GENEROUS
    while still_there(lasts):
        assert time.monotonic() < until, still_there(lasts)
        time.sleep(0.05)


def end_all(lasts: str) -> None:
    """Ends what stays, and waits for asyncio's threads that wait for it: what they hold is freed here, and not within another test."""
    for process in still_there(lasts):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    until_none_is_there(lasts)
    for each in threading.enumerate():
        if "waitpid-" in each.name:
            each.join(GENEROUS)
    gc.collect()


async def starts_processes(interrupting: Interrupting, lasts: str) -> None:
    """As a verb that looks at a node does."""
    sys.setprofile(interrupting)
    words = ["sh", "-s", lasts]
    await run(words, stdin=b'exec sleep "$1"\n', environment=PATH_ALONE, timeout=GENEROUS)


def ended_by(interrupting: Interrupting, lasts: str) -> bool:
    """Whether it came to its end as an interrupted program does."""
    try:
        try:
            try:
                run_loop(starts_processes(interrupting, lasts))
            finally:
                interrupting.let_go()
        finally:
            interrupting.let_go()  # the key may have met the other one
    except KeyboardInterrupt:
        return True
    return False


@pytest.mark.parametrize("held_after", [None, 1, 40])
@pytest.mark.parametrize(
    ("sends", "sigint"),
    [
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGTERM, signal.default_int_handler),
        (signal.SIGTERM, signal.SIG_IGN),
    ],
)
def test_a_signal_at_any_step_ends_what_was_started_and_leaves_no_word(
    caplog: pytest.LogCaptureFixture,
    words: list[object],
    sends: signal.Signals,
    sigint: Handler,
    held_after: int | None,
) -> None:
    """held_after: so many steps later it comes again, as of a key that is held down, and what is being ended is ended at once."""
    lasts = f"600.{os.getpid()}{sends:02}{held_after or 0}"
    try:
        for step in range(1, 400, 3 if held_after is None else 7):
            at = Interrupting(step, sends, held_after=held_after)
            with as_a_program(sigint):
                assert ended_by(at, lasts), f"step {step} of {at.count}"
            gc.collect()
            assert (words, caplog.messages) == ([], []), f"step {step} of {at.count}"
        if held_after is None:  # else they end with this process
            until_none_is_there(lasts)
    finally:
        end_all(lasts)


async def cancelled_again_and_again(work: asyncio.Task[Any]) -> None:
    """Until it has ended as cancelled."""
    for _ in range(3):
        work.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await work


async def test_who_is_cancelled_twice_waits_until_what_was_started_is_gone(
    tmp_path: Path,
) -> None:
    """By the end of the loop after a signal, say. What outlived the loop, asyncio would have a line for on the terminal."""
    told = tmp_path / "pid"
    script = f"echo $$ >{told}.new; mv {told}.new {told}; exec sleep 600\n".encode()
    work = asyncio.create_task(
        run(["sh", "-s"], stdin=script, environment=PATH_ALONE, timeout=GENEROUS)
    )
    while not told.exists():
        await asyncio.sleep(0.01)
    await cancelled_again_and_again(work)
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)


async def test_who_is_cancelled_twice_while_it_starts_something_leaves_nothing_behind() -> None:
    lasts = f"600.{os.getpid()}77"
    for steps in range(12):
        work = asyncio.create_task(
            run(["sleep", lasts], stdin=b"", environment=PATH_ALONE, timeout=GENEROUS)
        )
        for _ in range(steps):
            await asyncio.sleep(0)
        await cancelled_again_and_again(work)
        assert not still_there(lasts), steps


def test_a_signal_before_the_work_has_begun_leaves_no_word_that_nobody_awaits_it() -> None:
    async def work() -> None:
        raise AssertionError("it is not begun any more")

    def while_handlers_are_set(frame: FrameType, event: str, argument: object) -> None:
        if frame.f_code is threading.current_thread.__code__:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGINT)

    with warnings.catch_warnings(record=True) as said, as_a_program(signal.default_int_handler):
        warnings.simplefilter("always")
        sys.setprofile(while_handlers_are_set)
        with pytest.raises(KeyboardInterrupt):
            run_loop(work())
        gc.collect()
    assert [str(each.message) for each in said] == []


def test_what_outlives_the_loop_after_all_leaves_no_word(caplog: pytest.LogCaptureFixture) -> None:
    async def leaves_one() -> int:
        loop = asyncio.get_running_loop()
        words = ("sleep", "0.2")
        none = asyncio.subprocess.DEVNULL
        transport, _ = await loop.subprocess_exec(
            asyncio.SubprocessProtocol, *words, stdin=none, stdout=none, stderr=none
        )
        left.append(transport)
        return transport.get_pid()

    left: list[asyncio.SubprocessTransport] = []
    before = set(threading.enumerate())
    pid = run_loop(leaves_one())
    until = time.monotonic() + GENEROUS
    while set(threading.enumerate()) - before:  # asyncio's, which waits for the process
        assert time.monotonic() < until, pid
        time.sleep(0.01)
    left[0].close()
    assert caplog.messages == []


def test_a_task_that_failed_and_that_nobody_waits_for_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails() -> None:
        raise ValueError("by a fault of ours")

    async def work() -> None:
        task = asyncio.create_task(fails())
        await asyncio.sleep(0)
        assert task.done()

    run_loop(work())
    gc.collect()
    [said] = caplog.messages
    assert said.startswith("Task exception was never retrieved")


def test_the_end_of_the_loop_makes_no_text_of_the_result_which_may_be_of_5000_nodes() -> None:
    """The signal module would, in a message that it throws away, of the handler that it puts back, which holds the task."""
    texts: list[str] = []

    class Evidence:
        def __repr__(self) -> str:
            texts.append("all nodes")
            return texts[-1]

    async def gather() -> Evidence:
        return Evidence()

    with as_a_program(signal.default_int_handler):
        run_loop(gather())
    assert texts == []
