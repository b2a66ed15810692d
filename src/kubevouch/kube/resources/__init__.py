"""The kinds of objects that kubevouch reads or applies.

Each has an API path, and a struct with the fields that kubevouch reads.
"""

from datetime import datetime
from typing import Any, Final

from msgspec import field

from kubevouch.kube.resources.certificates import CSRS as CSRS
from kubevouch.kube.resources.certificates import (
    CertificateSigningRequest as CertificateSigningRequest,
)
from kubevouch.kube.resources.certificates import CsrCondition as CsrCondition
from kubevouch.kube.resources.meta import Condition as Condition
from kubevouch.kube.resources.meta import ManagedMetadata
from kubevouch.kube.resources.meta import Metadata as Metadata
from kubevouch.kube.resources.meta import Narrow as Narrow
from kubevouch.kube.resources.meta import Object as Object
from kubevouch.kube.resources.meta import Resource as Resource
from kubevouch.kube.resources.meta import micro_time as micro_time
from kubevouch.kube.resources.network import API_SERVICES as API_SERVICES
from kubevouch.kube.resources.network import ENDPOINT_SLICES as ENDPOINT_SLICES
from kubevouch.kube.resources.network import SERVICES as SERVICES
from kubevouch.kube.resources.network import APIService as APIService
from kubevouch.kube.resources.network import EndpointSlice as EndpointSlice
from kubevouch.kube.resources.network import Service as Service
from kubevouch.kube.resources.network import slices_of as slices_of
from kubevouch.kube.resources.nodes import METRICS_API_SERVICES as METRICS_API_SERVICES
from kubevouch.kube.resources.nodes import METRICS_GROUP as METRICS_GROUP
from kubevouch.kube.resources.nodes import METRICS_VERSIONS as METRICS_VERSIONS
from kubevouch.kube.resources.nodes import NODE_METRICS as NODE_METRICS
from kubevouch.kube.resources.nodes import NODES as NODES
from kubevouch.kube.resources.nodes import POD_METRICS as POD_METRICS
from kubevouch.kube.resources.nodes import SIZED_NODES as SIZED_NODES
from kubevouch.kube.resources.nodes import ContainerMetrics as ContainerMetrics
from kubevouch.kube.resources.nodes import Node as Node
from kubevouch.kube.resources.nodes import NodeMetrics as NodeMetrics
from kubevouch.kube.resources.nodes import PodMetrics as PodMetrics
from kubevouch.kube.resources.nodes import SizedNode as SizedNode
from kubevouch.kube.resources.pods import DEPLOYMENTS as DEPLOYMENTS
from kubevouch.kube.resources.pods import DISRUPTION_BUDGETS
from kubevouch.kube.resources.pods import PODS as PODS
from kubevouch.kube.resources.pods import Container as Container
from kubevouch.kube.resources.pods import ContainerStatus as ContainerStatus
from kubevouch.kube.resources.pods import Deployment as Deployment
from kubevouch.kube.resources.pods import Pod as Pod


class ConfigMap(Object, frozen=True, kw_only=True):
    """A ConfigMap. binaryData is not read."""

    data: dict[str, str] = field(default_factory=dict)


class _AuthorityData(Narrow, frozen=True, kw_only=True):
    certificate: bytes = field(default=b"", name="ca.crt")
    key: bytes = field(default=b"", name="ca.key")

    def __repr__(self) -> str:
        return "<authority>"


class AuthoritySecret(Object, frozen=True, kw_only=True):
    """A Secret with a CA's certificate and key in PEM, which the repr does not show.

    The certificate and the key are empty until our metrics server creates the CA.
    """

    data: _AuthorityData = _AuthorityData()


class NamespaceStatus(Narrow, frozen=True, kw_only=True):
    """The status of a Namespace. phase: Active or Terminating."""

    phase: str = ""


class Namespace(Object, frozen=True, kw_only=True):
    """A Namespace. The uid of kube-system identifies a cluster."""

    status: NamespaceStatus = NamespaceStatus()


class LeaseSpec(Narrow, frozen=True, kw_only=True):
    """The holder of a Lease, and when it was last renewed."""

    holder_identity: str = ""
    lease_duration_seconds: int = 0
    acquire_time: datetime | None = None
    renew_time: datetime | None = None
    lease_transitions: int = 0


class Lease(Object, frozen=True, kw_only=True):
    """A Lease."""

    metadata: ManagedMetadata = ManagedMetadata()
    spec: LeaseSpec = LeaseSpec()

    @property
    def written(self) -> datetime | None:
        """When the Lease was last written: the API server's time in managedFields, or else the holder's renewTime."""
        noted = [each.time for each in self.metadata.managed_fields if each.time is not None]
        return max(noted, default=self.spec.renew_time)


CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", ConfigMap, namespaced=True)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", Namespace)
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease", Lease, namespaced=True)
AUTHORITY_SECRETS = Resource("", "v1", "secrets", "Secret", AuthoritySecret, namespaced=True)
"""Secrets. kubevouch reads only the Secret with its metrics server's CA, by name."""


def bounded_note(text: str, most: int) -> str:
    """The text on one line of at most `most` bytes of UTF-8. Truncated text ends with "..."."""
    line = text
    if not text.isprintable():
        line = "".join(each if each.isprintable() else "?" for each in text)
    raw = line.encode()
    return line if len(raw) <= most else raw[: most - 3].decode(errors="ignore") + "..."


class PolicyRule(Narrow, frozen=True, kw_only=True):
    """A rule of a role."""

    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()


class Role(Object, frozen=True, kw_only=True):
    """A Role, or a ClusterRole."""

    rules: tuple[PolicyRule, ...] = ()


class RoleRef(Narrow, frozen=True, kw_only=True):
    """A reference to the bound role."""

    kind: str = ""
    name: str = ""


class Subject(Narrow, frozen=True, kw_only=True):
    """A subject of a binding. kind: User, Group or ServiceAccount."""

    kind: str = ""
    name: str = ""
    namespace: str = ""


class RoleBinding(Object, frozen=True, kw_only=True):
    """A RoleBinding, or a ClusterRoleBinding."""

    role_ref: RoleRef = RoleRef()
    subjects: tuple[Subject, ...] = ()


_RBAC: Final = "rbac.authorization.k8s.io"
CLUSTER_ROLES = Resource(_RBAC, "v1", "clusterroles", "ClusterRole", Role)
CLUSTER_ROLE_BINDINGS = Resource(
    _RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", RoleBinding
)
ROLES = Resource(_RBAC, "v1", "roles", "Role", Role, namespaced=True)
ROLE_BINDINGS = Resource(_RBAC, "v1", "rolebindings", "RoleBinding", RoleBinding, namespaced=True)


class ResourceAttributes(Narrow, frozen=True, kw_only=True):
    """A verb on a resource, for an access review. "" means any namespace or name."""

    verb: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        """The text for messages.

        Examples: `get leases kube-system/a`, `create pods in namespace b`.
        """
        resource = "/".join(filter(None, (self.resource, self.subresource)))
        where = f" in namespace {self.namespace}" if self.namespace else ""
        if self.name:
            where = f" {'/'.join(filter(None, (self.namespace, self.name)))}"
        return f"{self.verb} {resource}{where}"

    def body(self) -> dict[str, Any]:
        """The JSON for the API, without empty fields."""
        fields = {name: getattr(self, name) for name in ResourceAttributes.__struct_fields__}
        return {name: value for name, value in fields.items() if value}


class ReviewStatus(Narrow, frozen=True, kw_only=True):
    """The result of an access review. "Neither allowed nor denied" (no opinion) means not allowed."""

    allowed: bool = False
    denied: bool = False
    reason: str = ""


class AccessReview(Object, frozen=True, kw_only=True):
    """A SelfSubjectAccessReview or SubjectAccessReview with its result."""

    status: ReviewStatus = ReviewStatus()


class ReviewedUser(Narrow, frozen=True, kw_only=True):
    """The user that the API server identified."""

    username: str = ""


class SelfStatus(Narrow, frozen=True, kw_only=True):
    """The result of a SelfSubjectReview."""

    user_info: ReviewedUser = ReviewedUser()


class SelfReview(Object, frozen=True, kw_only=True):
    """A SelfSubjectReview (since Kubernetes 1.28) with its result: our own user."""

    status: SelfStatus = SelfStatus()


SELF_SUBJECT_REVIEWS = Resource(
    "authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", SelfReview
)
_REVIEWS: Final = "authorization.k8s.io"
SELF_REVIEWS = Resource(
    _REVIEWS, "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", AccessReview
)
SUBJECT_REVIEWS = Resource(
    _REVIEWS, "v1", "subjectaccessreviews", "SubjectAccessReview", AccessReview
)


_ADMISSION: Final = "admissionregistration.k8s.io"

SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", Object, namespaced=True)
NETWORK_POLICIES = Resource(
    "networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", Object, namespaced=True
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
    # The installer needs no data of Secrets.
    Resource("", "v1", "secrets", "Secret", Object, namespaced=True, only_metadata=True),
    SERVICE_ACCOUNTS,
    CLUSTER_ROLES,
    CLUSTER_ROLE_BINDINGS,
    ROLES,
    ROLE_BINDINGS,
    CONFIG_MAPS,
    NETWORK_POLICIES,
    SERVICES,
    API_SERVICES,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    ADMISSION_POLICIES,
    ADMISSION_POLICY_BINDINGS,
)


def applied_resource(api_version: str, kind: str) -> Resource[Any]:
    """The resource for a manifest's apiVersion and kind.

    Raises LookupError for a kind that kubevouch does not apply.
    """
    for each in _APPLIED:
        if (each.api_version, each.kind) == (api_version, kind):
            return each
    raise LookupError(f"{api_version} {kind}")
