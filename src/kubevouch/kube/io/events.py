"""Sends Events: behind the work that they are about, at a bounded rate, never in its way."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import NotSent
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.transport import only_while
from kubevouch.kube.resources import EVENTS, Object, Resource, bounded_note, event

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

    busy: whether other work waits. may_write: asked right before each. dropped: called for each Event that is not sent,
    with the very object that `tell` was given.
    """

    def __init__(
        self,
        api: ApiClient,
        clock: Clock,
        *,
        instance: str,
        busy: Callable[[], bool],
        may_write: Callable[[], bool],
        dropped: Callable[[Object], None],
        report: Callable[[KubevouchError], None],
    ) -> None:
        self._api = api
        self._clock = clock
        self._instance = instance
        self._busy = busy
        self._may_write = may_write
        self._dropped = dropped
        self._report = report
        self._waiting: deque[_Waiting] = deque()
        self._news = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether so many Events wait that the next one takes the place of the oldest."""
        return len(self._waiting) >= MOST_WAITING

    def tell(
        self,
        about: Object,
        resource: Resource[Any],
        word: EventWord,
        note: str,
    ) -> None:
        """Queues an Event. If too many wait, the oldest is dropped."""
        if self.is_full:
            self._dropped(self._waiting.popleft().about)
        body = event(
            about,
            resource,
            warning=word.warning,
            reason=word.reason,
            action=word.action,
            note=bounded_note(note, _LONGEST_NOTE),
            at=self._clock.now(),
            instance=self._instance,
        )
        self._waiting.append(_Waiting(about, body))
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

    async def _send(self, waiting: "_Waiting") -> None:
        try:
            with only_while(self._may_write):
                await self._api.create(EVENTS, waiting.body, waiting.body["metadata"]["namespace"])
        except NotSent:
            self._dropped(waiting.about)
        except KubevouchError as error:
            self._dropped(waiting.about)
            self._report(error)


class _Waiting(NamedTuple):
    about: Object
    body: dict[str, Any]
