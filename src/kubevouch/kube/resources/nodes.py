"""Nodes, and the usage of nodes and pods.

The kubelet itself reports most of a Node's status, so the status proves nothing. Quantities of the
metrics API are kept as text; kubevouch.quantity parses them.
"""

from datetime import datetime
from typing import Final

import msgspec
from msgspec import field

from kubevouch.kube.resources.meta import Condition, Narrow, Object, Resource


class NodeSpec(Narrow, frozen=True, kw_only=True):
    """The spec of a Node."""

    pod_cidrs: tuple[str, ...] = field(default=(), name="podCIDRs")
    provider_id: str = field(default="", name="providerID")


class NodeAddress(Narrow, frozen=True, kw_only=True):
    """An address of a node. type: Hostname, InternalIP, ExternalIP, InternalDNS or ExternalDNS."""

    type: str = ""
    address: str = ""


class NodeInfo(Narrow, frozen=True, kw_only=True):
    """What the kubelet reports about its machine, and the kubelet's version."""

    machine_id: str = field(default="", name="machineID")
    system_uuid: str = field(default="", name="systemUUID")
    os_image: str = ""
    kubelet_version: str = ""
    operating_system: str = ""
    architecture: str = ""


class _Endpoint(Narrow, frozen=True, kw_only=True):
    # The API capitalizes this name.
    port: int = field(default=0, name="Port")


class _Endpoints(Narrow, frozen=True, kw_only=True):
    kubelet_endpoint: _Endpoint = _Endpoint()


class NodeStatus(Narrow, frozen=True, kw_only=True):
    """The status of a Node, which its kubelet reports."""

    addresses: tuple[NodeAddress, ...] = ()
    conditions: tuple[Condition, ...] = ()
    """The condition Ready, if present. All other conditions are dropped: kubevouch never reads
    them, and they use a quarter of a Node's memory."""

    node_info: NodeInfo = NodeInfo()
    daemon_endpoints: _Endpoints = _Endpoints()

    def __post_init__(self) -> None:
        """Drops all conditions but Ready."""
        ready = tuple(each for each in self.conditions if each.type == "Ready")
        msgspec.structs.force_setattr(self, "conditions", ready)


class Node(Object, frozen=True, kw_only=True):
    """A Node."""

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    @property
    def kubelet_port(self) -> int:
        """The kubelet's port in the status; 10250 if not set (pkg/kubelet/client/kubelet_client.go)."""
        return self.status.daemon_endpoints.kubelet_endpoint.port or 10250

    @property
    def ready(self) -> bool:
        """Whether the condition Ready is true."""
        return any(found.type == "Ready" and found.true for found in self.status.conditions)


class SizedNodeStatus(NodeStatus, frozen=True, kw_only=True):
    """The status of a Node, with allocatable and capacity."""

    allocatable: dict[str, str] = field(default_factory=dict)
    capacity: dict[str, str] = field(default_factory=dict)


class SizedNode(Node, frozen=True, kw_only=True):
    """A Node with allocatable and capacity, which most callers do not need."""

    status: SizedNodeStatus = SizedNodeStatus()


NODES = Resource("", "v1", "nodes", "Node", Node)
SIZED_NODES = Resource("", "v1", "nodes", "Node", SizedNode)


class NodeMetrics(Object, frozen=True, kw_only=True):
    """The CPU and memory usage of a node.

    window: a Go duration such as 15.123s. usage: has the keys `cpu` and `memory`.
    """

    timestamp: datetime | None = None
    window: str = ""
    usage: dict[str, str] = field(default_factory=dict)


class ContainerMetrics(Narrow, frozen=True, kw_only=True):
    """The CPU and memory usage of a container."""

    name: str = ""
    usage: dict[str, str] = field(default_factory=dict)


class PodMetrics(Object, frozen=True, kw_only=True):
    """The CPU and memory usage of a pod, for each container. The fields are as in NodeMetrics."""

    timestamp: datetime | None = None
    window: str = ""
    containers: tuple[ContainerMetrics, ...] = ()


METRICS_GROUP: Final = "metrics.k8s.io"
METRICS_VERSIONS: Final = ("v1", "v1beta1")
"""The versions of the metrics API, the preferred version first. All have the same fields. HPAs use
v1beta1, which every cluster with a metrics API serves."""
METRICS_API_SERVICES: Final = {each: f"{each}.{METRICS_GROUP}" for each in METRICS_VERSIONS}
NODE_METRICS = Resource(METRICS_GROUP, METRICS_VERSIONS[-1], "nodes", "NodeMetrics", NodeMetrics)
POD_METRICS = Resource(
    METRICS_GROUP, METRICS_VERSIONS[-1], "pods", "PodMetrics", PodMetrics, namespaced=True
)
