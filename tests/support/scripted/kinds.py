"""The kinds that the scripted API server keeps: a part of the lab's, those of the metrics API, and what has a caBundle.

What is not among them it answers with 404.
"""

from kubevouch_lab.apiserver import kinds
from kubevouch_lab.apiserver.kinds import CSRS, PODS, Kind

__all__ = ["CSRS", "KINDS", "PODS", "Kind"]

_METRICS = (
    Kind("metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics"),
    Kind("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", namespaced=True),
)
_CALLED = (
    Kind(
        "admissionregistration.k8s.io",
        "v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
    ),
    Kind(
        "admissionregistration.k8s.io",
        "v1",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
    ),
    Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition"),
)
_KEPT = {
    "nodes",
    "namespaces",
    "pods",
    "services",
    "configmaps",
    "secrets",
    "events",
    "deployments",
    "endpointslices",
    "leases",
    "apiservices",
    "certificatesigningrequests",
    "clusterroles",
    "clusterrolebindings",
    "roles",
    "rolebindings",
    "horizontalpodautoscalers",
}

KINDS = {
    (kind.group, kind.version, kind.plural): kind
    for kind in (*kinds.KINDS.values(), *_METRICS, *_CALLED)
    if kind.plural in _KEPT or kind in _CALLED
}
