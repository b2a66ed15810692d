"""What the approver wrote down of nodes, as it lies in its ConfigMaps."""

import json
from typing import Any

from tests.approve.conftest import CONFIG_MAP, SPACE, Cluster


def recorded(cluster: Cluster) -> dict[str, Any]:
    """What the approver wrote down, by node."""
    return {
        node: json.loads(text)
        for each in cluster.server.store.list(CONFIG_MAP, SPACE)
        if each["metadata"]["name"].startswith("kubevouch-recorded-")
        for node, text in each.get("data", {}).items()
    }


def is_gone(cluster: Cluster, node: str) -> bool:
    """Whether it is written down of a node that it was there and is gone, and nothing else."""
    found = recorded(cluster)[node]
    return [*found, *found["credentials"]] == ["credentials", "v", "earlier"]
