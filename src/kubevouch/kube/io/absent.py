"""What is said of a name on the command line that nothing in the cluster has."""

from typing import Any

from kubevouch.errors import UsageError, nearest
from kubevouch.kube.errors import KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES, PODS, Resource


async def no_such_node(
    api: ApiClient, name: str, seen: str = "there is no such Node"
) -> UsageError:
    """The error for the name of no Node: the nearest one, where the API server lists them."""
    return await _absent(api, NODES, name, seen, "the name of a Node was expected")


async def no_such_pod(api: ApiClient, name: str, namespace: str) -> UsageError:
    """The error for the name of no Pod of this namespace: the nearest one, where the API server lists them."""
    seen = f"there is no such Pod in the namespace {namespace}"
    expected = "the name of a Pod was expected, and -n NAMESPACE"
    return await _absent(api, PODS, name, seen, expected, namespace=namespace)


async def _absent(
    api: ApiClient, kind: Resource[Any], name: str, seen: str, expected: str, *, namespace: str = ""
) -> UsageError:
    try:
        known = [each.name for each in await api.list_all(kind, namespace)]
    except KubeError:
        known = []
    return UsageError(name, seen, nearest(name, known, otherwise=expected))
