"""Disruption budgets: how many pods may be away, counted from those that are there.

Source: pkg/controller/disruption/disruption.go (trySync, getExpectedPodCount, countHealthyPods). Of controllers, the
lab's own are known: ReplicaSets, and the Deployments over them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from kubevouch.clock import Clock
from kubevouch_lab.apiserver.client import LocalClient
from kubevouch_lab.apiserver.kinds import (
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    Kind,
)
from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.apiserver.selectors import selected_by
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.controllers.loop import attempt, reconcile, soonest
from kubevouch_lab.controllers.owners import controller_uid
from kubevouch_lab.controllers.replica_sets import replicas_of
from kubevouch_lab.objects import (
    Object,
    condition,
    name_of,
    namespace_of,
    read_moment,
    status_of,
    uid_of,
)

_FORGOTTEN = timedelta(minutes=2)
"""An evicted pod that has not gone by then counts again (DeletionTimeout)."""


class DisruptionBudgets:
    """Keeps the status of every PodDisruptionBudget."""

    def __init__(self, store: Store, client: LocalClient, clock: Clock) -> None:
        self._store = store
        self._client = client
        self._clock = clock

    async def run(self) -> None:
        """Until it is cancelled."""
        kinds = (DISRUPTION_BUDGETS, PODS, REPLICA_SETS, DEPLOYMENTS)
        await reconcile(self._store, kinds, self.sync, clock=self._clock)

    def sync(self) -> float | None:
        """All budgets, once; seconds until an eviction that came to nothing is forgotten."""
        budgets = self._store.list(DISRUPTION_BUDGETS)
        return soonest([attempt(lambda found=each: self._one(found)) for each in budgets])  # type: ignore[misc]

    def _one(self, budget: Object) -> float | None:
        now, space = self._clock.now(), namespace_of(budget)
        chosen = selected_by((budget.get("spec") or {}).get("selector"))
        pods = [pod for pod in self._store.list(PODS, space) if chosen(pod)]
        scale = self._scale(pods, space)
        made = budget_status(budget, pods, scale, now)
        if made != status_of(budget):
            self._client.update(DISRUPTION_BUDGETS, {**budget, "status": made}, "status")
        evicted = made.get("disruptedPods") or {}
        moments = [found for text in evicted.values() if (found := read_moment(text))]
        return (min(moments) + _FORGOTTEN - now).total_seconds() if moments else None

    def _scale(self, pods: Iterable[Object], space: str) -> int:
        """How many pods the controllers of these want together; pods without one count for nothing."""
        sets = self._by_uid(REPLICA_SETS, space)
        deployments = self._by_uid(DEPLOYMENTS, space)
        wanted: dict[str, int] = {}
        for pod in pods:
            owner = sets.get(controller_uid(pod))
            if owner is not None:
                owner = deployments.get(controller_uid(owner), owner)
                wanted[uid_of(owner)] = replicas_of(owner)
        return sum(wanted.values())

    def _by_uid(self, kind: Kind, space: str) -> dict[str, Object]:
        return {uid_of(each): each for each in self._store.list(kind, space)}


@dataclass(frozen=True)
class _Count:
    """How many pods are expected, and how many of them have to be healthy."""

    expected: int
    desired: int


def budget_status(budget: Object, pods: list[Object], scale: int, now: datetime) -> Object:
    """The status of a budget. pods: those that it selects; scale: how many their controllers want."""
    evicted = _still_evicted(budget, pods, now)
    count = _count(budget.get("spec") or {}, len(pods), scale)
    healthy = sum(1 for pod in pods if _is_healthy(pod) and name_of(pod) not in evicted)
    allowed = max(0, healthy - count.desired) if count.expected else 0
    generation = budget["metadata"].get("generation", 0)
    made: Object = {
        "conditions": [_allowed(budget, now, allowed=allowed > 0)],
        "currentHealthy": healthy,
        "desiredHealthy": count.desired,
        "disruptionsAllowed": allowed,
        "expectedPods": count.expected,
        "observedGeneration": generation,
    }
    return made | ({"disruptedPods": evicted} if evicted else {})


def _count(spec: Object, present: int, scale: int) -> _Count:
    away, least = spec.get("maxUnavailable"), spec.get("minAvailable")
    if away is not None:
        return _Count(scale, max(0, scale - _share(away, scale)))
    if isinstance(least, str):
        return _Count(scale, _share(least, scale))
    return _Count(present, int(least or 0))


def _share(said: int | str, whole: int) -> int:
    """A number, or a percentage rounded up (intstr.GetScaledValueFromIntOrPercent)."""
    return ceil(int(said.removesuffix("%")) * whole / 100) if isinstance(said, str) else said


def _is_healthy(pod: Object) -> bool:
    ready = condition(pod, "Ready")
    return "deletionTimestamp" not in pod["metadata"] and bool(ready and ready["status"] == "True")


def _still_evicted(budget: Object, pods: list[Object], now: datetime) -> dict[str, str]:
    """Of those that were evicted: who is still there, is not going yet, and was evicted lately."""
    there = {name_of(pod) for pod in pods if "deletionTimestamp" not in pod["metadata"]}
    return {
        name: text
        for name, text in (status_of(budget).get("disruptedPods") or {}).items()
        if name in there and (at := read_moment(text)) and now < at + _FORGOTTEN
    }


def _allowed(budget: Object, now: datetime, *, allowed: bool) -> Object:
    status = "True" if allowed else "False"
    before = condition(budget, "DisruptionAllowed")
    same = before is not None and before.get("status") == status
    return {
        "type": "DisruptionAllowed",
        "status": status,
        "reason": "SufficientPods" if allowed else "InsufficientPods",
        "message": "",
        "lastTransitionTime": before["lastTransitionTime"] if before and same else moment(now),
        "observedGeneration": budget["metadata"].get("generation", 0),
    }
