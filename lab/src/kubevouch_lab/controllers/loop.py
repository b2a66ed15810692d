"""Does something whenever certain kinds have changed.

Nothing here wakes up for nothing: a test that passes a year would count every tick.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from kubevouch.clock import Clock
from kubevouch_lab.apiserver.client import LocalClient
from kubevouch_lab.apiserver.history import Watcher
from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.status import StatusError
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.objects import Object

_LOG = logging.getLogger(__name__)
# What a body that no validation has seen can do to a rule that reads it. A controller logs it and lives on.
_RETRY = 5.0
BAD_OBJECT = (StatusError, KeyError, TypeError, ValueError, AttributeError, IndexError)


Sync = Callable[[], float | None]
"""Looks at everything once. Gives the seconds after which it wants to look again though nothing has changed, or None."""


async def reconcile(store: Store, kinds: Sequence[Kind], sync: Sync, *, clock: Clock) -> None:
    """Calls `sync` now, after changes of these kinds (several at once count once), and when it wants to be called.

    Runs until it is cancelled, or the store ends its watches.
    """
    changed = asyncio.Event()
    changed.set()
    watchers = [store.watch(kind) for kind in kinds]
    try:
        async with asyncio.TaskGroup() as tasks:
            followers = [tasks.create_task(_follow(watcher, changed)) for watcher in watchers]
            timer: asyncio.Task[None] | None = None
            while not any(each.done() for each in followers):
                await changed.wait()
                changed.clear()
                if timer is not None:
                    timer.cancel()
                again = sync()
                timer = tasks.create_task(_after(clock, again, changed)) if again else None
            for task in (*followers, *([timer] if timer else [])):
                task.cancel()
    finally:
        for watcher in watchers:
            watcher.close()


def attempt_each(things: Iterable[Object], one: Callable[[Object], None]) -> float | None:
    """Attempts it with each; gives the seconds after which to look again if one of them went wrong."""
    again: float | None = None
    for each in things:
        try:
            one(each)
        except BAD_OBJECT as error:
            _LOG.warning("sync failed: %r", error)
            again = _RETRY
    return again


class Controller:
    """Looks after each object of its first kind, whenever something of one of its kinds has changed."""

    kinds: tuple[Kind, ...]

    def __init__(self, store: Store, client: LocalClient, clock: Clock) -> None:
        self._store = store
        self._client = client
        self._clock = clock

    async def run(self) -> None:
        """Until it is cancelled."""
        await reconcile(self._store, self.kinds, self.sync, clock=self._clock)

    def sync(self) -> float | None:
        """All of them, once."""
        return attempt_each(self._store.list(self.kinds[0]), self._one)

    def _one(self, thing: Object) -> None:
        raise NotImplementedError


async def _follow(watcher: Watcher, changed: asyncio.Event) -> None:
    try:
        async for _ in watcher:
            changed.set()
    finally:
        changed.set()


async def _after(clock: Clock, seconds: float, changed: asyncio.Event) -> None:
    await clock.sleep(seconds)
    changed.set()
