"""What is said of a name on the command line that nothing in the cluster has."""

from kubevouch.errors import UsageError, nearest
from kubevouch.kube.errors import KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES


async def no_such_node(
    api: ApiClient, name: str, seen: str = "there is no such Node"
) -> UsageError:
    """The error for the name of no Node: the nearest one, where the API server lists them."""
    try:
        known = [each.name for each in await api.list_all(NODES)]
    except KubeError:
        known = []
    expected = nearest(name, known, otherwise="the name of a Node was expected")
    return UsageError(name, seen, expected)
