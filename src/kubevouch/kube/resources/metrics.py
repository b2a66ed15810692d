"""The metrics API: usage of nodes and pods. Quantities stay text; kubevouch.quantity reads them."""

from datetime import datetime

from msgspec import field

from kubevouch.kube.resources.meta import Narrow, Object, Resource


class NodeMetrics(Object, frozen=True, kw_only=True):
    """`window` is a Go duration such as 15.123s; `usage` has cpu and memory."""

    timestamp: datetime | None = None
    window: str = ""
    usage: dict[str, str] = field(default_factory=dict)


class ContainerMetrics(Narrow, frozen=True, kw_only=True):
    """The usage of a container."""

    name: str = ""
    usage: dict[str, str] = field(default_factory=dict)


class PodMetrics(Object, frozen=True, kw_only=True):
    """The usage of a pod by container. Fields as in NodeMetrics."""

    timestamp: datetime | None = None
    window: str = ""
    containers: tuple[ContainerMetrics, ...] = ()


NODE_METRICS = Resource("metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics", NodeMetrics)
POD_METRICS = Resource(
    "metrics.k8s.io", "v1beta1", "pods", "PodMetrics", PodMetrics, namespaced=True
)
