"""The kinds that the scripted API server keeps: a part of the lab's, and those of the metrics API.

What is not among them it answers with 404.
"""

from kubevouch_lab.apiserver import kinds
from kubevouch_lab.apiserver.kinds import CSRS, PODS, Kind

__all__ = ["CSRS", "KINDS", "METRICS", "PODS", "Kind"]

METRICS = (
    Kind("metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics"),
    Kind("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", namespaced=True),
)
_KEPT = {
    "nodes", "namespaces", "pods", "services", "configmaps", "secrets", "deployments", "endpointslices", "leases", "apiservices",
    "certificatesigningrequests", "clusterroles", "clusterrolebindings", "roles", "rolebindings", "horizontalpodautoscalers",
    "poddisruptionbudgets", "validatingwebhookconfigurations", "mutatingwebhookconfigurations",
}  # fmt: skip

KINDS = {
    (kind.group, kind.version, kind.plural): kind
    for kind in (*kinds.KINDS.values(), *METRICS)
    if kind.plural in _KEPT
}
