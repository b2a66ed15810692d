"""What is told by an Event, and what has been told already: once, and again before the Event expires."""

from datetime import datetime, timedelta
from shlex import join
from typing import Final

from kubevouch.kube.resources.events import bounded
from kubevouch.policy.decide import Decision
from kubevouch.policy.reasons import HoldReason

AGAIN_AFTER: Final = timedelta(minutes=50)
"""API servers keep Events for an hour (--event-ttl)."""

_MOST: Final = 10_000
_NOT_ALLOWED: Final = frozenset({HoldReason.NAME_NOT_ALLOWED, HoldReason.ADDRESS_NOT_ALLOWED})
LONGEST_WHOLE: Final = 700
"""Bytes of why a CSR is held, where nothing is said besides but the next command."""

_LONGEST_WHY: Final = 500
_LONGEST_ALLOWED: Final = 200
"""Bytes. An Event has room for a thousand, and the CSR's name is among them twice."""


def why_held(decision: Decision, csr: str) -> str:
    """Why a CSR is held, for an Event; where something is not the node's, what is (a part of it); and the next command."""
    why = decision.why
    measured = [r for r in decision.held_by if r.reason in _NOT_ALLOWED and r.allowed]
    allowed = ", ".join(dict.fromkeys(each.allowed for each in measured))
    hint = "" if "kubevouch " in why else f". See: {explaining(csr)}"
    if not measured:
        return f"{bounded(why, LONGEST_WHOLE)}{hint}"
    return f"{bounded(why, _LONGEST_WHY)}; allowed: {bounded(allowed, _LONGEST_ALLOWED)}{hint}"


def explaining(csr: str) -> str:
    """The command that shows every rule with what was seen."""
    return join(("kubevouch", "csr", "explain", csr))


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
