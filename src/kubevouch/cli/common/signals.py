"""Signals that end a process: without another handler, SIGTERM and SIGHUP end it as Ctrl-C does."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Protects the last lines: they appear even after another Ctrl-C."""
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
    """Installs the handler for a while. A signal that the parent ignores (nohup) stays ignored; a server's own handlers win.

    Outside the main thread, where no signal arrives, this changes nothing.
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
"""The signals that this is about."""


def interrupt(*_: object) -> None:
    """Their handler. Raises KeyboardInterrupt, unless SIGINT has another handler."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a script
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)
