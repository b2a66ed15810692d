"""Does something whenever certain kinds have changed, and from time to time."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from kubevouch.clock import Clock
from kubevouch.lab.apiserver.kinds import Kind
from kubevouch.lab.apiserver.status import StatusError
from kubevouch.lab.apiserver.store import Store, Watcher

_LOG = logging.getLogger(__name__)
# What a body that no validation has seen can do to a rule that reads it. A controller logs it and lives on.
BAD_OBJECT = (StatusError, KeyError, TypeError, ValueError, AttributeError, IndexError)


async def reconcile(
    store: Store,
    kinds: Sequence[Kind],
    sync: Callable[[], None],
    *,
    clock: Clock,
    every: float | None = None,
) -> None:
    """Calls `sync` now, after changes of these kinds (several at once count once), and every so many seconds.

    Runs until it is cancelled, or the store ends its watches.
    """
    changed = asyncio.Event()
    changed.set()
    watchers = [store.watch(kind) for kind in kinds]
    try:
        async with asyncio.TaskGroup() as tasks:
            followers = [tasks.create_task(_follow(watcher, changed)) for watcher in watchers]
            ticker = tasks.create_task(_tick(changed, clock, every)) if every else None
            while not any(each.done() for each in followers):
                await changed.wait()
                changed.clear()
                attempt(sync)
            for task in (*followers, *([ticker] if ticker else [])):
                task.cancel()
    finally:
        for watcher in watchers:
            watcher.close()


def attempt(sync: Callable[[], None]) -> None:
    """Calls it; what goes wrong with an object is logged, as a controller manager does."""
    try:
        sync()
    except BAD_OBJECT as error:
        _LOG.warning("sync failed: %r", error)


async def _follow(watcher: Watcher, changed: asyncio.Event) -> None:
    try:
        async for _ in watcher:
            changed.set()
    finally:
        changed.set()


async def _tick(changed: asyncio.Event, clock: Clock, every: float) -> None:
    while True:
        await clock.sleep(every)
        changed.set()
