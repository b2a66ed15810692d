"""Nodes as an API server tells of them."""

import msgspec

from kubevouch.kube.resources import Node


def node(
    name: str,
    *addresses: str,
    uid: str = "",
    machine_id: str = "",
    port: int = 10250,
    created: str = "2026-11-25T12:00:00Z",
    control_plane: bool = False,
) -> Node:
    """With these as its internal addresses."""
    status = {
        "addresses": [{"type": "InternalIP", "address": each} for each in addresses],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "nodeInfo": {"machineID": machine_id},
    }
    labels = {"node-role.kubernetes.io/control-plane": ""} if control_plane else {}
    named = {"name": name, "uid": uid or f"uid-{name}", "labels": labels}
    metadata = {**named, "creationTimestamp": created}
    return msgspec.convert({"metadata": metadata, "status": status}, Node)
