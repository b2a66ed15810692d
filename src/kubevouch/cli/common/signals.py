"""Makes SIGTERM and SIGHUP end the program like Ctrl-C, unless they have another handler."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def ignoring_ctrl_c() -> Iterator[None]:
    """Ignores Ctrl-C inside the block, so that the program can print its last lines."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


@contextlib.contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """Inside the block, SIGTERM and SIGHUP end the program like Ctrl-C, unless they are ignored (nohup) or have another handler.

    Does nothing outside the main thread, since only the main thread handles signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    ours = [each for each in ENDING if signal.getsignal(each) is signal.SIG_DFL]
    for each in ours:
        signal.signal(each, interrupt)
    try:
        yield
    finally:
        for each in ours:
            signal.signal(each, signal.SIG_DFL)


ENDING = (signal.SIGTERM, signal.SIGHUP)
"""The signals that are handled like Ctrl-C."""


def interrupt(*_: object) -> None:
    """Handles SIGTERM or SIGHUP as if it were SIGINT. If SIGINT is ignored, raises KeyboardInterrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a script
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)
