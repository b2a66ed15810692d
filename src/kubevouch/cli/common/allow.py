"""What an operator says with --allow NODE=VALUE: this name or address is that node's."""

from kubevouch.errors import UsageError


def node_values(given: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """NODE=VALUE words by node. Raises UsageError."""
    found: dict[str, tuple[str, ...]] = {}
    for word in given:
        node, equals, value = word.partition("=")
        if not (node and equals and value):
            raise UsageError(word, "is not NODE=VALUE", "worker-1=192.168.88.112, say")
        found[node] = (*found.get(node, ()), value)
    return found
