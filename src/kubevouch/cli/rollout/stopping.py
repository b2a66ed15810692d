"""Stops a run on Ctrl-C or SIGTERM: after the current nodes, or at once."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping

from kubevouch.cli.common.terminal import Terminal
from kubevouch.rollout.act.context import end_in_order


@contextlib.contextmanager
def stopping(terminal: Terminal, left: Callable[[], str]) -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C stops the run after the current nodes. A second Ctrl-C, SIGTERM or SIGHUP stops it at once.

    Stopping at once is not an error: the verb still prints its result. left: returns a message about the current nodes;
    empty if the verb changes no node.
    """
    task = asyncio.current_task()
    asked = at_once = terminal.nothing_changed = False

    def stop_at_once() -> None:
        nonlocal at_once
        at_once = True
        if task is not None:
            task.cancel()
        terminal.note("stopping at once")
        if what := left():
            terminal.note(what)

    def on_interrupt() -> None:
        nonlocal asked
        if asked:
            stop_at_once()
            return
        asked = True
        terminal.note("stopping after the current nodes; Ctrl-C again stops at once")

    # SIGKILL may follow SIGTERM long before a node is finished.
    handlers = {signal.SIGINT: on_interrupt, signal.SIGTERM: stop_at_once}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        handlers[signal.SIGHUP] = stop_at_once
    with _handled(handlers):
        try:
            yield lambda: asked
        except asyncio.CancelledError:
            if not at_once:
                raise
            end_in_order()


@contextlib.contextmanager
def _handled(handlers: Mapping[signal.Signals, Callable[[], None]]) -> Iterator[None]:
    """Installs these signal handlers in the event loop, and restores the former ones at the end."""
    loop = asyncio.get_running_loop()
    before = {each: signal.getsignal(each) for each in handlers}
    for each, handler in handlers.items():
        loop.add_signal_handler(each, handler)
    try:
        yield
    finally:
        for each, former in before.items():
            loop.remove_signal_handler(each)
            signal.signal(each, former)  # asyncio does not restore it
