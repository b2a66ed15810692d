"""The kinds of objects that this product reads: the API path and a narrow struct of each."""

from kubevouch.kube.resources.certificates import (
    CSRS,
    CertificateSigningRequest,
    CsrCondition,
    first_condition,
)
from kubevouch.kube.resources.events import EVENTS, Event, event
from kubevouch.kube.resources.meta import (
    Condition,
    Metadata,
    Narrow,
    Object,
    Resource,
    micro_time,
)
from kubevouch.kube.resources.metrics import (
    NODE_METRICS,
    POD_METRICS,
    ContainerMetrics,
    NodeMetrics,
    PodMetrics,
)
from kubevouch.kube.resources.network import (
    API_SERVICES,
    ENDPOINT_SLICES,
    SERVICE_CIDRS,
    SERVICES,
    APIService,
    EndpointSlice,
    ObjectReference,
    Service,
    ServiceCidr,
)
from kubevouch.kube.resources.nodes import NODES, Node, NodeAddress
from kubevouch.kube.resources.plain import (
    CONFIG_MAPS,
    LEASES,
    NAMESPACES,
    ConfigMap,
    Lease,
    Namespace,
)
from kubevouch.kube.resources.pods import PODS, Container, ContainerStatus, Pod
from kubevouch.kube.resources.rbac import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    PolicyRule,
    Role,
    RoleBinding,
)
from kubevouch.kube.resources.reviews import (
    SELF_REVIEWS,
    SUBJECT_REVIEWS,
    AccessReview,
    ResourceAttributes,
)
from kubevouch.kube.resources.workloads import DEPLOYMENTS, Deployment

__all__ = [
    "API_SERVICES",
    "CLUSTER_ROLES",
    "CLUSTER_ROLE_BINDINGS",
    "CONFIG_MAPS",
    "CSRS",
    "DEPLOYMENTS",
    "ENDPOINT_SLICES",
    "EVENTS",
    "LEASES",
    "NAMESPACES",
    "NODES",
    "NODE_METRICS",
    "PODS",
    "POD_METRICS",
    "ROLES",
    "ROLE_BINDINGS",
    "SELF_REVIEWS",
    "SERVICES",
    "SERVICE_CIDRS",
    "SUBJECT_REVIEWS",
    "APIService",
    "AccessReview",
    "CertificateSigningRequest",
    "Condition",
    "ConfigMap",
    "Container",
    "ContainerMetrics",
    "ContainerStatus",
    "CsrCondition",
    "Deployment",
    "EndpointSlice",
    "Event",
    "Lease",
    "Metadata",
    "Namespace",
    "Narrow",
    "Node",
    "NodeAddress",
    "NodeMetrics",
    "Object",
    "ObjectReference",
    "Pod",
    "PodMetrics",
    "PolicyRule",
    "Resource",
    "ResourceAttributes",
    "Role",
    "RoleBinding",
    "Service",
    "ServiceCidr",
    "event",
    "first_condition",
    "micro_time",
]
