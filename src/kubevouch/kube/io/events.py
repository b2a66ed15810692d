"""Sends Events: behind the work that they are about, at a bounded rate, never in its way."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import NotSent
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.transport import only_while
from kubevouch.kube.resources import EVENTS, Object, Resource, event
from kubevouch.kube.resources.events import bounded

MOST_WAITING: Final = 2_000
_EVERY: Final = 0.1
"""Seconds between two Events."""

_LONGEST_NOTE: Final = 1_000
_PATIENCE: Final = 5.0
"""Seconds for which an Event waits for the work at most."""


@dataclass(frozen=True, slots=True)
class EventWord:
    """What kind of Event it is. action: what we did or try to do."""

    reason: str
    action: str
    warning: bool = True


class EventSender:
    """Sends what `tell` queues, while `run` runs.

    busy: whether other work waits. may_write: asked right before each. dropped: called for each that is not sent.
    """

    def __init__(
        self,
        api: ApiClient,
        clock: Clock,
        *,
        instance: str,
        busy: Callable[[], bool],
        may_write: Callable[[], bool],
        dropped: Callable[[], None],
        report: Callable[[KubevouchError], None],
    ) -> None:
        self._api = api
        self._clock = clock
        self._instance = instance
        self._busy = busy
        self._may_write = may_write
        self._dropped = dropped
        self._report = report
        self._waiting: deque[dict[str, Any]] = deque()
        self._news = asyncio.Event()

    def tell(
        self,
        about: Object,
        resource: Resource[Any],
        word: EventWord,
        note: str,
    ) -> None:
        """Queues an Event. If too many wait, the oldest is dropped."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self._dropped()
        self._waiting.append(
            event(
                about,
                resource,
                warning=word.warning,
                reason=word.reason,
                action=word.action,
                note=bounded(note, _LONGEST_NOTE),
                at=self._clock.now(),
                instance=self._instance,
            )
        )
        self._news.set()

    async def run(self) -> None:
        """Sends them until cancelled."""
        while True:
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            waited = 0.0
            while self._busy() and waited < _PATIENCE:
                await self._clock.sleep(_EVERY)
                waited += _EVERY
            await self._send(self._waiting.popleft())
            await self._clock.sleep(_EVERY)

    async def _send(self, body: dict[str, Any]) -> None:
        try:
            with only_while(self._may_write):
                await self._api.create(EVENTS, body, body["metadata"]["namespace"])
        except NotSent:
            self._dropped()
        except KubevouchError as error:
            self._dropped()
            self._report(error)
