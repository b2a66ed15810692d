"""The Nodes of a real kubeadm cluster as they were recorded, each pinned, and what is reserved there."""

import json
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import msgspec

from kubevouch.kube.resources import Node
from kubevouch.policy.claims import as_address
from kubevouch.policy.reserved import reserved_of
from kubevouch.policy.sources.nodes import PinnedNode
from tests.support.cluster_names import cluster_names

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
RECORDED = Path(__file__).parents[1] / "fixtures" / "kubeadm-1.36" / "nodes.json"
NODES = tuple(msgspec.convert(json.loads(RECORDED.read_text())["items"], list[Node]))
WORKER = next(each for each in NODES if "worker-1" in each.name)
NAMES = cluster_names(
    own_endpoints={"192.168.88.111": "an API server"},
    virtual={"10.96.0.1": "Service default/kubernetes"},
    services={"kubernetes.default": "Service default/kubernetes"},
    service_networks=(ip_network("10.96.0.0/12"),),
    pod_networks=(ip_network("10.244.0.0/16"),),
)
RESERVED = reserved_of(NAMES, NODES)


def pinned(node: Node) -> PinnedNode:
    values = [each.address for each in node.status.addresses]
    return PinnedNode(
        node.name,
        node.uid,
        tuple(dict.fromkeys(each for each in values if as_address(each) is None)),
        tuple(each for each in values if as_address(each) is not None),
    )


PINS = {node.name: pinned(node) for node in NODES}
