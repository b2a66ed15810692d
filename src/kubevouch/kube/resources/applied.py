"""Kinds of which this product applies and deletes objects, and looks into none."""

from typing import Any, Final

from kubevouch.kube.resources.meta import Object, Resource
from kubevouch.kube.resources.network import SERVICES
from kubevouch.kube.resources.plain import CONFIG_MAPS, NAMESPACES
from kubevouch.kube.resources.rbac import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
)
from kubevouch.kube.resources.workloads import DEPLOYMENTS

_ADMISSION: Final = "admissionregistration.k8s.io"

SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", Object, namespaced=True)
NETWORK_POLICIES = Resource(
    "networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", Object, namespaced=True
)
DISRUPTION_BUDGETS = Resource(
    "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", Object, namespaced=True
)
ADMISSION_POLICIES = Resource(
    _ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", Object
)
ADMISSION_POLICY_BINDINGS = Resource(
    _ADMISSION,
    "v1",
    "validatingadmissionpolicybindings",
    "ValidatingAdmissionPolicyBinding",
    Object,
)

_APPLIED: Final[tuple[Resource[Any], ...]] = (
    NAMESPACES,
    SERVICE_ACCOUNTS,
    CLUSTER_ROLES,
    CLUSTER_ROLE_BINDINGS,
    ROLES,
    ROLE_BINDINGS,
    CONFIG_MAPS,
    NETWORK_POLICIES,
    SERVICES,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    ADMISSION_POLICIES,
    ADMISSION_POLICY_BINDINGS,
)


def applied_resource(api_version: str, kind: str) -> Resource[Any]:
    """The resource that a manifest's apiVersion and kind name. Raises LookupError for one that is not in the list."""
    for each in _APPLIED:
        if (each.api_version, each.kind) == (api_version, kind):
            return each
    raise LookupError(f"{api_version} {kind}")
