"""Reads which Services have all of their ready endpoints in probed pods of one node."""

from collections.abc import Collection

from kubevouch.kube.errors import Forbidden, KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import PODS, Narrow, Object
from kubevouch.rollout.act.service_endpoints import service_endpoints
from kubevouch.rollout.decide.readiness import (
    LoneServices,
    PodEndpoint,
    lone_services,
    only_node,
)


class _Probe(Narrow, frozen=True, kw_only=True):
    """That there is one is all that counts."""


class _Container(Narrow, frozen=True, kw_only=True):
    readiness_probe: _Probe | None = None
    startup_probe: _Probe | None = None


class _Spec(Narrow, frozen=True, kw_only=True):
    containers: tuple[_Container, ...] = ()
    init_containers: tuple[_Container, ...] = ()


class _Probed(Object, frozen=True, kw_only=True):
    """Of a Pod, which of its containers are probed."""

    spec: _Spec = _Spec()


async def read_lone_services(api: ApiClient, nodes: Collection[str]) -> LoneServices:
    """Those on these nodes. What cannot be read is said in the answer."""
    try:
        ready = await _ready(api)
        here = {key: found for key, found in ready.items() if only_node(found) in nodes}
        probed = await _probed(api, {namespace for namespace, _ in here})
    except Forbidden as error:
        return LoneServices(unread=f"not allowed to {error.verb} {error.resource}")
    except KubeError as error:
        return LoneServices(unread=str(error))
    return LoneServices(lone_services(here, probed))


async def _ready(api: ApiClient) -> dict[tuple[str, str], set[PodEndpoint]]:
    """The ready endpoints of each Service; of one that is on several nodes, only so many that this shows."""
    ready: dict[tuple[str, str], set[PodEndpoint]] = {}
    async for service, endpoint in service_endpoints(api):
        found = ready.setdefault(service, set())
        if endpoint.conditions.is_ready and (not found or only_node(found)):
            target = endpoint.target_ref
            found.add(PodEndpoint(target.name if target.kind == "Pod" else "", endpoint.node_name))
    return ready


async def _probed(api: ApiClient, namespaces: Collection[str]) -> set[tuple[str, str]]:
    """The pods of these namespaces that have a readiness or startup probe, by namespace and name."""
    found: set[tuple[str, str]] = set()
    for namespace in sorted(namespaces):
        async for page in api.pages(PODS, _Probed, namespace):
            found.update((pod.namespace, pod.name) for pod in page.items if _is_probed(pod.spec))
    return found


def _is_probed(spec: _Spec) -> bool:
    containers = (*spec.containers, *spec.init_containers)
    return any(each.readiness_probe or each.startup_probe for each in containers)
