"""Reads what Events say that our approver holds: what it remembers, nobody else can look up.

An Event proves nothing. Whoever has a node's identity may write one in anybody's name, at any time, and change those that there are.
"""

from collections import defaultdict
from collections.abc import Mapping

from kubevouch.evidence.approvers import HELD_EVENT, OTHERS_APPROVED_EVENT, WOULD_HOLD
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.measured import Measured
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CSRS, EVENTS, Event

_NAMESPACE = "default"
"""Events about objects of no namespace lie there."""


async def gather_approver_holds(
    api: ApiClient, inquiry: Inquiry
) -> Measured[Mapping[str, tuple[str, ...]]]:
    """What Events say of each CSR that is held, by the UID of the CSR; in no order, since their times are what their writers say.

    API servers keep Events for an hour (--event-ttl); the approver repeats them before that while it holds a CSR.
    """
    return await _gather(api, inquiry, HELD_EVENT)


async def gather_approved_by_others(
    api: ApiClient, inquiry: Inquiry
) -> Measured[Mapping[str, tuple[str, ...]]]:
    """What Events say that our approver would have held of each CSR that somebody else approved, by the UID of the CSR."""
    found = await _gather(api, inquiry, OTHERS_APPROVED_EVENT)
    if found.value is None:
        return found
    # Before the rules stands what a client calls itself, which is anything.
    rules = {
        uid: tuple(each.partition(WOULD_HOLD)[2] for each in notes)
        for uid, notes in found.value.items()
    }
    return Measured(found.vantage, found.at, rules)


async def _gather(
    api: ApiClient, inquiry: Inquiry, reason: str
) -> Measured[Mapping[str, tuple[str, ...]]]:
    found = await inquiry.ask(api.list_all(EVENTS, _NAMESPACE, field_selector=f"reason={reason}"))
    if found.doubt is not None:
        return Measured(found.vantage, found.at, doubt=found.doubt)
    return Measured(found.vantage, found.at, _notes(found.or_else(()), reason))


def _notes(events: tuple[Event, ...], reason: str) -> Mapping[str, tuple[str, ...]]:
    told: dict[str, dict[str, None]] = defaultdict(dict)
    for each in events:
        if each.reason == reason and each.regarding.kind == CSRS.kind and each.regarding.uid:
            told[each.regarding.uid][each.note] = None
    return {uid: tuple(notes) for uid, notes in told.items()}
