"""`python -m bench.watched_loop VERB...`: the product, with an event loop that says which of its callbacks took longest.

Each line on standard input ends a phase of that name: a line of JSON on standard output tells the phase's longest
callbacks in milliseconds of the thread's CPU, garbage collection included, and then the next phase begins. What the thread
has waited for a core is not counted.
"""

import asyncio
import asyncio.events
import contextvars
import gc
import heapq
import itertools
import json
import sys
import threading
import time
from collections.abc import Coroutine
from typing import Any

_MOST = 5
_what_runs: contextvars.ContextVar[str] = contextvars.ContextVar("what runs", default="")


class Longest:
    """The longest callbacks of a phase."""

    def __init__(self) -> None:
        self._order = itertools.count()
        self._found: list[tuple[int, int, int, str]] = []
        self._gc_began = 0
        self.collecting = 0
        """Nanoseconds of garbage collection in the present callback."""

    def on_gc(self, phase: str, _: dict[str, int]) -> None:
        """Called by the garbage collector."""
        now = time.thread_time_ns()
        if phase == "start":
            self._gc_began = now
        else:
            self.collecting += now - self._gc_began

    def note(self, took: int, handle: asyncio.events.Handle) -> None:
        """A callback has ended."""
        found = self._found
        if len(found) < _MOST or took > found[0][0]:
            entry = (took, next(self._order), self.collecting, _name(handle))
            (heapq.heappush if len(found) < _MOST else heapq.heapreplace)(found, entry)

    def take(self) -> list[dict[str, object]]:
        """The longest ones, longest first; then they are forgotten."""
        found, self._found = self._found, []
        return [
            {"ms": took / 1e6, "gc_ms": collecting / 1e6, "what": what}
            for took, _, collecting, what in sorted(found, reverse=True)
        ]


def _name(handle: asyncio.events.Handle) -> str:
    callback: object = getattr(handle, "_callback", None)
    name = getattr(callback, "__qualname__", None) or repr(callback)
    context: contextvars.Context | None = getattr(handle, "_context", None)
    return (context.get(_what_runs, "") if context else "") or name


def _named(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, Any],
    *,
    context: contextvars.Context | None = None,
    **more: Any,  # noqa: ANN401 - what this Python's create_task gives besides
) -> asyncio.Task[Any]:
    """A task whose context knows what it runs: the handles of its steps have the context and nothing else to tell it by."""
    context = contextvars.copy_context() if context is None else context
    context.run(_what_runs.set, getattr(coroutine, "__qualname__", repr(coroutine)))
    return asyncio.Task(coroutine, loop=loop, context=context, **more)


def watch() -> Longest:
    """From now on every callback of every loop is timed."""
    longest = Longest()
    run = asyncio.events.Handle._run  # noqa: SLF001 - there is no public place
    make = asyncio.BaseEventLoop.run_forever
    clock = time.thread_time_ns

    def timed(self: asyncio.events.Handle) -> None:
        longest.collecting = 0
        began = clock()
        run(self)
        longest.note(clock() - began, self)

    def run_forever(self: asyncio.BaseEventLoop) -> None:
        self.set_task_factory(_named)  # type: ignore[arg-type]
        make(self)

    gc.callbacks.append(longest.on_gc)
    asyncio.events.Handle._run = timed  # type: ignore[method-assign]  # noqa: SLF001
    asyncio.BaseEventLoop.run_forever = run_forever  # type: ignore[method-assign]
    return longest


def _answer(longest: Longest) -> None:
    for line in sys.stdin:
        print(json.dumps({"phase": line.strip(), "longest": longest.take()}), flush=True)


def main() -> None:
    """The product, watched."""
    threading.Thread(target=_answer, args=(watch(),), daemon=True).start()
    from kubevouch.cli import main as product

    product()


if __name__ == "__main__":
    main()
