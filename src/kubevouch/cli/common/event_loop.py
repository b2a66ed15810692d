"""The event loop of a verb, and signals that end the program while it runs."""

import asyncio
import contextlib
import inspect
import logging
import signal
import sys
import threading
import warnings
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from kubevouch.cli.common.signals import ENDING, interrupt

T = TypeVar("T")


def run_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Like asyncio.run, for a verb. Raises KeyboardInterrupt if a signal has ended it."""
    interruption = _Interruption()
    logging.getLogger("asyncio").addFilter(_is_of_the_loop)

    async def work() -> T:
        interruption.cancels_this_task()
        asyncio.get_running_loop().set_exception_handler(_told)
        return await coroutine

    try:
        with interruption.handled(), asyncio.Runner() as runner:
            return runner.run(work())
    except asyncio.CancelledError:
        if interruption.asked:
            raise KeyboardInterrupt from None
        raise
    except Exception as error:
        if interruption.cut_short:  # anywhere: a lock in the middle of its release fails by itself
            raise KeyboardInterrupt from error
        raise
    finally:
        if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
            coroutine.close()  # a signal came first; Python would warn that nobody awaited it
        if interruption.cut_short:
            _nothing_more_is_told()


def _told(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Reports exceptions that nobody awaited, but no KeyboardInterrupt: a signal may hit any task, and is handled elsewhere."""
    if not isinstance(context.get("exception"), KeyboardInterrupt):
        loop.default_exception_handler(context)


def _is_of_the_loop(record: logging.LogRecord) -> bool:
    """Drops asyncio's warning about a child process that ended after its loop: it was killed on purpose."""
    return not str(record.msg).startswith("Loop %r that handles pid")


def _nothing_more_is_told() -> None:
    """To the end of the process: its ending was cut short, and each thing that is still open says so when it is freed."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None


class _Interruption:
    """What ends a program by a signal while an event loop of it runs.

    The first signal cancels the loop's work, which then ends what it has started; the next one meets whatever runs. asyncio's
    Runner has it so for SIGINT alone, and not where SIGINT is ignored: a KeyboardInterrupt that comes anywhere in the loop leaves
    behind what was being started.
    """

    def __init__(self) -> None:
        self.asked = False
        """Whether there was a signal."""
        self.cut_short = False
        """Whether one came in the middle of something."""
        self._work: asyncio.Task[object] | None = None

    def __call__(self, *_: object) -> None:
        """The handler of the signals."""
        first, self.asked = not self.asked, True
        if first and self._work and not self._work.done():
            self._work.cancel()
            self._work.get_loop().call_soon_threadsafe(lambda: None)  # it may be waiting
            return
        self.cut_short = True
        raise KeyboardInterrupt

    def cancels_this_task(self) -> None:
        """The task that calls this is the loop's work."""
        self._work = asyncio.current_task()

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Around the loop. Who ignores a signal, or has a handler of its own, keeps it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        theirs = {
            each: signal.getsignal(each)
            for each in (signal.SIGINT, *ENDING)
            if signal.getsignal(each) in (signal.default_int_handler, interrupt)
        }
        for each in theirs:
            signal.signal(each, self)
        try:
            yield
        finally:
            for each, former in theirs.items():
                signal.signal(each, former)
