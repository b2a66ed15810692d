"""What the approver wrote down of nodes, as it lies in its ConfigMaps."""

import json
from typing import Any

from tests.approve.conftest import CONFIG_MAP, SPACE, Cluster

GONE = {"v": 1, "standing": {"earlier": True}}
"""Of a node that is gone: that it was there."""


def recorded(cluster: Cluster) -> dict[str, Any]:
    """What the approver wrote down, by node."""
    return {
        node: json.loads(text)
        for each in cluster.server.store.list(CONFIG_MAP, SPACE)
        if each["metadata"]["name"].startswith("kubevouch-recorded-")
        for node, text in each.get("data", {}).items()
    }
