"""The Node that a word on the command line names, and what is said of a name that no Node has."""

from kubevouch.errors import UsageError, full_names, nearest
from kubevouch.kube.decode import ObjectT
from kubevouch.kube.errors import KubeError, NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES, Resource


async def named_node(api: ApiClient, nodes: Resource[ObjectT], word: str) -> ObjectT:
    """The Node of this name, or of this first label where no other Node has it. Raises KubeError."""
    try:
        return await api.get(nodes, word)
    except NotFound:
        [name] = full_names([word], [each.name for each in await api.list_all(nodes)])
        if name == word:
            raise
        return await api.get(nodes, name)


async def no_such_node(
    api: ApiClient, name: str, seen: str = "there is no such Node"
) -> UsageError:
    """The error for the name of no Node: the nearest one, where the API server lists them."""
    try:
        known = [each.name for each in await api.list_all(NODES)]
    except KubeError:
        known = []
    expected = nearest(name, known, otherwise="expected the name of a Node")
    return UsageError(name, seen, expected)
