"""Finds a Node by a name from the command line, or builds the error for an unknown name."""

from kubevouch.errors import UsageError, full_names, nearest
from kubevouch.kube.decode import ObjectT
from kubevouch.kube.errors import KubeError, NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES, Resource


async def named_node(api: ApiClient, nodes: Resource[ObjectT], word: str) -> ObjectT:
    """The Node named `word`, or else the only Node whose name has `word` as its first DNS label.

    Raises KubeError.
    """
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
    """The error for an unknown Node. Suggests the most similar name, if we may list Nodes."""
    try:
        known = [each.name for each in await api.list_all(NODES)]
    except KubeError:
        known = []
    expected = nearest(name, known, otherwise="expected the name of a Node")
    return UsageError(name, seen, expected)
