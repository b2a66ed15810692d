"""The event loop of a verb, and the signals that end the loop."""

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
    """Like asyncio.run. Raises KeyboardInterrupt if a signal has ended the loop."""
    interruption = _Interruption()
    logging.getLogger("asyncio").addFilter(_is_worth_logging)

    async def work() -> T:
        interruption.cancel_current_task()
        asyncio.get_running_loop().set_exception_handler(_report_unhandled)
        return await coroutine

    try:
        with interruption.handled(), asyncio.Runner() as runner:
            return runner.run(work())
    except asyncio.CancelledError:
        if interruption.signalled:
            raise KeyboardInterrupt from None
        raise
    except Exception as error:
        if interruption.cut_short:  # this may have caused the error, e.g. in a lock's release
            raise KeyboardInterrupt from error
        raise
    finally:
        if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
            coroutine.close()  # a signal came first; Python would warn that nobody awaited it
        if interruption.cut_short:
            _silence_warnings()


def _report_unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Reports unhandled exceptions, but not KeyboardInterrupt, which ends the loop in any case."""
    if not isinstance(context.get("exception"), KeyboardInterrupt):
        loop.default_exception_handler(context)


def _is_worth_logging(record: logging.LogRecord) -> bool:
    """Returns False for asyncio's warning about a child process that ends after the loop: we have killed it."""
    return not str(record.msg).startswith("Loop %r that handles pid")


def _silence_warnings() -> None:
    """Silences warnings until the process exits. After an interruption, Python would warn about open resources."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None


class _Interruption:
    """Handles SIGINT, SIGTERM and SIGHUP while an event loop runs.

    The first signal cancels the main task, which can then clean up. The second signal raises KeyboardInterrupt at once,
    which could leave work half done. asyncio.Runner does this only for SIGINT, and not if SIGINT is ignored.
    """

    def __init__(self) -> None:
        self.signalled = False
        self.cut_short = False
        """Whether this handler has raised KeyboardInterrupt."""
        self._work: asyncio.Task[object] | None = None

    def __call__(self, *_: object) -> None:
        first, self.signalled = not self.signalled, True
        if first and self._work and not self._work.done():
            self._work.cancel()
            self._work.get_loop().call_soon_threadsafe(lambda: None)  # wakes the loop
            return
        self.cut_short = True
        raise KeyboardInterrupt

    def cancel_current_task(self) -> None:
        """Makes the first signal cancel the current task."""
        self._work = asyncio.current_task()

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Installs the signal handlers. Signals that are ignored, or have another handler, stay unchanged."""
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
