"""Which kinds have rules of their own."""

from kubevouch_lab.apiserver.registry.authority import ApiServices, Bindings, Roles
from kubevouch_lab.apiserver.registry.core import (
    ConfigMaps,
    Events,
    NamespaceStrategy,
    Nodes,
    Secrets,
    Services,
)
from kubevouch_lab.apiserver.registry.extensions import Definitions, Webhooks
from kubevouch_lab.apiserver.registry.network_policies import NetworkPolicies
from kubevouch_lab.apiserver.registry.pods import Pods
from kubevouch_lab.apiserver.registry.strategy import Strategy
from kubevouch_lab.apiserver.registry.workloads import Workloads


class _Kept(Strategy):
    """A PUT may create it; a delete shows what it deleted."""

    creates_on_update = True


class _Shown(Strategy):
    returns_deleted = True


class _Versioned(Strategy):
    """Updates need a resourceVersion."""

    unconditional_update = False


class _Lease(Strategy):
    creates_on_update = True
    unconditional_update = False


_RBAC = "rbac.authorization.k8s.io"
_WORKLOADS = Workloads()

STRATEGIES: dict[tuple[str, str], Strategy] = {
    ("", "nodes"): Nodes(),
    ("", "namespaces"): NamespaceStrategy(),
    ("", "pods"): Pods(),
    ("", "services"): Services(),
    ("", "endpoints"): _Kept(),
    ("", "configmaps"): ConfigMaps(),
    ("", "secrets"): Secrets(),
    ("", "serviceaccounts"): _Shown(),
    ("", "events"): Events(),
    ("", "limitranges"): _Kept(),
    ("", "persistentvolumeclaims"): _Shown(),
    ("", "resourcequotas"): _Shown(),
    ("apps", "deployments"): _WORKLOADS,
    ("apps", "replicasets"): _WORKLOADS,
    ("apps", "daemonsets"): _WORKLOADS,
    ("apps", "statefulsets"): _WORKLOADS,
    ("coordination.k8s.io", "leases"): _Lease(),
    (_RBAC, "roles"): Roles(),
    (_RBAC, "clusterroles"): Roles(),
    (_RBAC, "rolebindings"): Bindings(),
    (_RBAC, "clusterrolebindings"): Bindings(),
    ("apiregistration.k8s.io", "apiservices"): ApiServices(),
    ("networking.k8s.io", "networkpolicies"): NetworkPolicies(),
    ("policy", "poddisruptionbudgets"): _Versioned(),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"): _Versioned(),
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"): _Versioned(),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"): Webhooks(),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"): Webhooks(),
    ("apiextensions.k8s.io", "customresourcedefinitions"): Definitions(),
}
