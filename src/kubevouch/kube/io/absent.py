"""The error for a name on the command line that nothing in the cluster has."""

from kubevouch.errors import UsageError, nearest
from kubevouch.kube.errors import KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES


async def no_such_node(
    api: ApiClient, name: str, seen: str = "there is no such Node"
) -> UsageError:
    """The error for an unknown node name: it suggests the nearest one, if the API server lists Nodes."""
    try:
        known = [each.name for each in await api.list_all(NODES)]
    except KubeError:
        known = []
    expected = nearest(name, known, otherwise="expected the name of a Node")
    return UsageError(name, seen, expected)
