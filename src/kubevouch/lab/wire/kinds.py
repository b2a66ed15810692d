"""The kinds this API server keeps, as a table: one generic store serves them all."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One resource. `status` says that it has a /status of its own, so the main path leaves status alone."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = False
    status: bool = False

    @property
    def api_version(self) -> str:
        """`v1`, or `certificates.k8s.io/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version


CSRS = Kind(
    "certificates.k8s.io",
    "v1",
    "certificatesigningrequests",
    "CertificateSigningRequest",
    status=True,
)
PODS = Kind("", "v1", "pods", "Pod", namespaced=True, status=True)

_KINDS = (
    Kind("", "v1", "nodes", "Node", status=True),
    Kind("", "v1", "namespaces", "Namespace", status=True),
    PODS,
    Kind("", "v1", "services", "Service", namespaced=True, status=True),
    Kind("", "v1", "configmaps", "ConfigMap", namespaced=True),
    Kind("", "v1", "events", "Event", namespaced=True),
    Kind("apps", "v1", "deployments", "Deployment", namespaced=True, status=True),
    Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", namespaced=True),
    Kind("coordination.k8s.io", "v1", "leases", "Lease", namespaced=True),
    Kind("events.k8s.io", "v1", "events", "Event", namespaced=True),
    Kind("apiregistration.k8s.io", "v1", "apiservices", "APIService", status=True),
    CSRS,
    Kind("metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics"),
    Kind("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", namespaced=True),
    Kind("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole"),
    Kind("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding"),
    Kind("rbac.authorization.k8s.io", "v1", "roles", "Role", namespaced=True),
    Kind("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", namespaced=True),
    Kind(
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        namespaced=True,
        status=True,
    ),
)

KINDS = {(kind.group, kind.version, kind.plural): kind for kind in _KINDS}
