"""What is told by an Event, and what has been told already: once, and again before the Event expires."""

from datetime import datetime, timedelta
from typing import Final

AGAIN_AFTER: Final = timedelta(minutes=50)
"""API servers keep Events for an hour (--event-ttl)."""

_MOST: Final = 10_000


class TellingMemory:
    """What was told about each object, by UID."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[str, datetime]] = {}

    def is_due(self, uid: str, text: str, at: datetime) -> bool:
        """Whether it is to be told now. It counts as told then."""
        known = self._told.get(uid)
        if known is not None and known[0] == text and at - known[1] < AGAIN_AFTER:
            return False
        self._told.pop(uid, None)
        self._told[uid] = (text, at)
        if len(self._told) > _MOST:
            del self._told[next(iter(self._told))]
        return True

    def forget(self, uid: str) -> None:
        """The object is gone, or nothing is wrong with it any more."""
        self._told.pop(uid, None)
