"""Reads which CSRs our approver holds, by the Events in which it says so: what it remembers, nobody else can look up."""

from collections.abc import Mapping

from kubevouch.evidence.approvers import HELD_EVENT
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.measured import Measured
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CSRS, EVENTS, Event

_NAMESPACE = "default"
"""Events about objects of no namespace lie there."""


async def gather_approver_holds(api: ApiClient, inquiry: Inquiry) -> Measured[Mapping[str, str]]:
    """What the newest Event says of each CSR that is held, by the UID of the CSR.

    API servers keep Events for an hour (--event-ttl); the approver repeats them before that while it holds a CSR.
    """
    found = await inquiry.ask(
        api.list_all(EVENTS, _NAMESPACE, field_selector=f"reason={HELD_EVENT}")
    )
    if found.doubt is not None:
        return Measured(found.vantage, found.at, doubt=found.doubt)
    return Measured(found.vantage, found.at, _newest(found.or_else(())))


def _newest(events: tuple[Event, ...]) -> Mapping[str, str]:
    told = [
        each
        for each in events
        if each.reason == HELD_EVENT and each.regarding.kind == CSRS.kind and each.regarding.uid
    ]
    return {each.regarding.uid: each.note for each in sorted(told, key=_moment)}


def _moment(event: Event) -> float:
    return event.event_time.timestamp() if event.event_time else 0.0
