"""Reads what nodes hold in common: the pods of PodDisruptionBudgets, and the endpoints of Services."""

from collections import Counter

from kubevouch.evidence.gather.inquiry import of_each, together
from kubevouch.kube.errors import Forbidden, KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import ENDPOINT_SLICES, PODS, Narrow, Object, Resource
from kubevouch.kube.resources.pods import DISRUPTION_BUDGETS, PodDisruptionBudget
from kubevouch.rollout.decide.workloads import HeldInCommon, Workloads

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
    return Workloads((*budgets, *services))


async def _budgets(api: ApiClient, most: int) -> list[HeldInCommon]:
    """Of budgets that allow more than `most`, and of those with one pod, there is nothing to keep."""
    found = await api.list_all(DISRUPTION_BUDGETS)
    tight = [
        each
        for each in found
        if each.status.disruptions_allowed <= most
        and each.status.expected_pods > 1
        and each.spec.selector is not None
    ]
    return list(await of_each(tight, lambda each: _budget(api, each), at_once=_AT_ONCE))


async def _budget(api: ApiClient, budget: PodDisruptionBudget) -> HeldInCommon:
    pods: Counter[str] = Counter()
    pages = api.pages(_PLACED, _Placed, budget.namespace, label_selector=str(budget.spec.selector))
    async for page in pages:
        pods.update(
            pod.spec.node_name
            for pod in page.items
            if pod.spec.node_name and pod.status.phase not in _ENDED
        )
    status = budget.status
    return HeldInCommon(
        name=f"PodDisruptionBudget {budget.namespace}/{budget.name}",
        spare=status.disruptions_allowed,
        pods=pods,
        is_whole=status.current_healthy >= status.expected_pods,
    )


async def _services(api: ApiClient, most: int) -> list[HeldInCommon]:
    """Services whose ready endpoints could all be on nodes that are on their way at once: each node counts once."""
    ready: dict[str, set[str]] = {}
    nodes: dict[str, set[str]] = {}
    async for page in api.pages(ENDPOINT_SLICES, ENDPOINT_SLICES.struct):
        for each in page.items:
            name = f"Service {each.namespace}/{each.service}"
            for endpoint in each.endpoints if each.service else ():
                if not endpoint.node_name or len(ready.get(name, ())) > most:
                    continue
                nodes.setdefault(name, set()).add(endpoint.node_name)
                if endpoint.conditions.is_ready:
                    ready.setdefault(name, set()).add(endpoint.node_name)
    return [
        HeldInCommon(
            name=name,
            spare=len(found) - 1,
            pods=dict.fromkeys(nodes[name], 1),
            is_whole=len(found) > 1 or found == nodes[name],
        )
        for name, found in ready.items()
        if len(found) <= most and len(nodes[name]) > 1
    ]
