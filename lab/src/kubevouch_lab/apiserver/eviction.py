"""Eviction: a deletion that a pod's disruption budget may refuse (pkg/registry/core/pod/storage/eviction.go).

Nothing in the lab counts a budget's allowed disruptions; until somebody writes them into its status, a budget
refuses, with the words of a server whose disruption controller has not come round to it.
"""

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.kinds import KINDS
from kubevouch_lab.apiserver.selectors import selected_by
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.objects import Object, name_of, namespace_of, status_of

_BUDGETS = KINDS["policy", "v1", "poddisruptionbudgets"]
_ENDED = ("Succeeded", "Failed")


def check(store: Store, pod: Object) -> None:
    """Raises a StatusError 429 where a budget stands in the way; a pod that has ended is in nobody's way."""
    if status_of(pod).get("phase") in _ENDED:
        return
    for budget in store.list(_BUDGETS, namespace_of(pod)):
        if not selected_by((budget.get("spec") or {}).get("selector"))(pod):
            continue
        if status_of(budget).get("disruptionsAllowed", 0) > 0:
            continue
        raise _refused(name_of(budget))


def _refused(budget: str) -> status.StatusError:
    text = f"The disruption budget {budget} is still being processed by the server."
    details = {"retryAfterSeconds": 10, "causes": [{"reason": "DisruptionBudget", "message": text}]}
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    return status.StatusError(429, "TooManyRequests", message, details, {"Retry-After": "10"})
