"""Reads what nodes hold in common: the pods of PodDisruptionBudgets, and the endpoints of Services."""

from collections import Counter

from kubevouch.evidence.gather.at_once import of_each, together
from kubevouch.kube.errors import Forbidden, KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import (
    DISRUPTION_BUDGETS,
    PODS,
    Narrow,
    Object,
    PodDisruptionBudget,
    Resource,
)
from kubevouch.rollout.act.service_endpoints import service_endpoints
from kubevouch.rollout.decide.workloads import DisruptionBudget, ServedBy, Workloads

_AT_ONCE = 8
_ENDED = ("Succeeded", "Failed")


class _PlacedSpec(Narrow, frozen=True, kw_only=True):
    node_name: str = ""


class _PlacedStatus(Narrow, frozen=True, kw_only=True):
    phase: str = ""


class _Placed(Object, frozen=True, kw_only=True):
    """Of a Pod, where it runs: clusters have a hundred thousand of them."""

    spec: _PlacedSpec = _PlacedSpec()
    status: _PlacedStatus = _PlacedStatus()


_PLACED = Resource("", "v1", PODS.plural, PODS.kind, _Placed, namespaced=True)


async def read_workloads(api: ApiClient, most: int) -> Workloads:
    """What nodes hold in common now, as far as it could matter while no more than `most` of them are on their way.

    What cannot be read is said in the answer.
    """
    try:
        budgets, services = await together(_budgets(api, most), _services(api, most))
    except Forbidden as error:
        return Workloads(unread=f"not allowed to {error.verb} {error.resource}")
    except KubeError as error:
        return Workloads(unread=str(error))
    return Workloads(budgets, services)


async def _budgets(api: ApiClient, most: int) -> tuple[DisruptionBudget, ...]:
    """Of budgets that allow more than `most`, and of those with one pod, there is nothing to keep."""
    found = await api.list_all(DISRUPTION_BUDGETS)
    tight = [
        each
        for each in found
        if each.status.disruptions_allowed <= most
        and each.status.expected_pods > 1
        and each.spec.selector is not None
    ]
    return tuple(await of_each(tight, lambda each: _budget(api, each), at_once=_AT_ONCE))


async def _budget(api: ApiClient, budget: PodDisruptionBudget) -> DisruptionBudget:
    pods: Counter[str] = Counter()
    pages = api.pages(_PLACED, _Placed, budget.namespace, label_selector=str(budget.spec.selector))
    async for page in pages:
        pods.update(
            pod.spec.node_name
            for pod in page.items
            if pod.spec.node_name and pod.status.phase not in _ENDED
        )
    status = budget.status
    return DisruptionBudget(
        name=f"{budget.namespace}/{budget.name}",
        allowed=status.disruptions_allowed,
        pods=pods,
        is_whole=status.current_healthy >= status.expected_pods,
    )


async def _services(api: ApiClient, most: int) -> tuple[ServedBy, ...]:
    """Services whose ready endpoints could all be on nodes that are on their way at once."""
    ready: dict[tuple[str, str], set[str]] = {}
    nodes: dict[tuple[str, str], set[str]] = {}
    async for service, endpoint in service_endpoints(api):
        if not endpoint.node_name or len(ready.get(service, ())) > most:
            continue
        nodes.setdefault(service, set()).add(endpoint.node_name)
        if endpoint.conditions.is_ready:
            ready.setdefault(service, set()).add(endpoint.node_name)
    return tuple(
        ServedBy("/".join(key), frozenset(found), frozenset(nodes[key]))
        for key, found in ready.items()
        if len(found) <= most and len(nodes[key]) > 1
    )
