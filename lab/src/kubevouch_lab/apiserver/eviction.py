"""Eviction: a deletion that a pod's disruption budget may refuse (pkg/registry/core/pod/storage/eviction.go)."""

from datetime import datetime

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.kinds import DISRUPTION_BUDGETS
from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.apiserver.selectors import selected_by
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.objects import Object, condition, name_of, namespace_of, status_of

_WITHOUT_BUDGET = ("Pending", "Succeeded", "Failed")
_VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."
_TWO = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


def budget_to_charge(store: Store, pod: Object) -> Object | None:
    """The budget that an eviction of this pod uses up one of; None if it needs no budget's leave.

    Raises:
        StatusError: 429 where a budget stands in the way, 500 where there are two.
    """
    if status_of(pod).get("phase") in _WITHOUT_BUDGET or "deletionTimestamp" in pod["metadata"]:
        return None
    budgets = [
        budget
        for budget in store.list(DISRUPTION_BUDGETS, namespace_of(pod))
        if selected_by((budget.get("spec") or {}).get("selector"))(pod)
    ]
    if len(budgets) > 1:
        raise status.StatusError(500, "", _TWO)
    if not budgets or _needs_no_leave(pod, budgets[0]):
        return None
    _check(budgets[0])
    return budgets[0]


def charge(store: Store, budget: Object, pod: Object, now: datetime) -> None:
    """One disruption less is allowed, and this pod no longer counts as healthy."""
    found = status_of(budget)
    evicted = {**(found.get("disruptedPods") or {}), name_of(pod): moment(now)}
    left = int(found.get("disruptionsAllowed", 0)) - 1
    changed = {**found, "disruptionsAllowed": left, "disruptedPods": evicted}
    store.update(DISRUPTION_BUDGETS, {**budget, "status": changed})


def _needs_no_leave(pod: Object, budget: Object) -> bool:
    """A pod that is not ready serves nobody: evicted always, or (the default) where enough others are healthy."""
    ready = condition(pod, "Ready")
    if ready is not None and ready.get("status") == "True":
        return False
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    found = status_of(budget)
    desired = int(found.get("desiredHealthy", 0))
    return 0 < desired <= int(found.get("currentHealthy", 0))


def _check(budget: Object) -> None:
    found, name = status_of(budget), name_of(budget)
    if found.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise _refused(f"The disruption budget {name} is still being processed by the server.", 10)
    if found.get("disruptionsAllowed", 0) > 0:
        return
    desired, healthy = found.get("desiredHealthy", 0), found.get("currentHealthy", 0)
    text = f"The disruption budget {name} needs {desired} healthy pods and has {healthy} currently"
    raise _refused(text, 0)


def _refused(text: str, retry: int) -> status.StatusError:
    details: Object = {"causes": [{"reason": "DisruptionBudget", "message": text}]}
    headers = {"Retry-After": str(retry)} if retry else {}
    if retry:
        details["retryAfterSeconds"] = retry
    return status.StatusError(429, "TooManyRequests", _VIOLATES, details, headers)
