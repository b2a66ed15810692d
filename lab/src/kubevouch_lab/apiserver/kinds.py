"""The kinds that the lab's API server keeps, as one table. Store, REST, discovery and printers read it.

Names, verbs and short names are those of Kubernetes 1.36's own discovery documents; the fields that
may be selected on are those of each registry's conversion functions (pkg/apis/core/v1/conversion.go and its like).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The order of a real discovery document.
ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CHANGES = ("get", "patch", "update")
NAMES = ("metadata.name", "metadata.namespace")
CORE = ""


@dataclass(frozen=True)
class Subresource:
    """A path below an object: `status`, `scale`. group, version, kind: what its bodies are; empty: as the parent's."""

    name: str
    kind: str = ""
    group: str = ""
    version: str = ""
    verbs: tuple[str, ...] = CHANGES


@dataclass(frozen=True, eq=False)
class Kind:
    """One resource of one version. There is one value for each, so it is its own key.

    verbs: what discovery announces; ("create",) alone is a review that nothing stores.
    fields: what a field selector may name. stored_as: the table key of the kind whose objects these are, in another
    form (events.k8s.io). generation: whether metadata.generation counts changes of the spec.
    """

    group: str
    version: str
    plural: str
    kind: str
    short_names: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    namespaced: bool = False
    verbs: tuple[str, ...] = ALL_VERBS
    fields: tuple[str, ...] = NAMES
    generation: bool = False
    stored_as: tuple[str, str, str] | None = None

    @property
    def singular(self) -> str:
        """The singular name, such as `certificatesigningrequest`."""
        return self.kind.lower()

    @property
    def api_version(self) -> str:
        """`v1`, or `certificates.k8s.io/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """`nodes`, or `certificatesigningrequests.certificates.k8s.io`: as errors name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def status(self) -> bool:
        """Whether status is a subresource, so that the main path leaves it alone."""
        return self.subresource("status") is not None

    @property
    def stored(self) -> bool:
        """Whether objects of it are kept; a review's are not."""
        return "get" in self.verbs

    def subresource(self, name: str) -> Subresource | None:
        """The subresource of that name, or None."""
        return next((sub for sub in self.subresources if sub.name == name), None)


_STATUS = Subresource("status")
_SCALE = Subresource("scale", "Scale", "autoscaling", "v1")
_PROXY = ("create", "delete", "get", "patch", "update")
_REFERENCE = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_ADMISSION = "admissionregistration.k8s.io/v1"
_RBAC = "rbac.authorization.k8s.io/v1"


def _cluster(words: str, *subresources: Subresource, **more: Any) -> Kind:  # noqa: ANN401 - a Kind's own fields
    """words: apiVersion, kind, plural, short names."""
    api_version, kind, plural, *short_names = words.split()
    group, _, version = api_version.rpartition("/")
    return Kind(group, version, plural, kind, tuple(short_names), subresources, **more)


def _namespaced(words: str, *subresources: Subresource, **more: Any) -> Kind:  # noqa: ANN401 - a Kind's own fields
    return _cluster(words, *subresources, namespaced=True, **more)


_TABLE = (
    _cluster(
        "v1 Node nodes no",
        Subresource("proxy", "NodeProxyOptions", verbs=_PROXY),
        _STATUS,
        fields=("metadata.name", "spec.unschedulable"),
    ),
    _cluster(
        "v1 Namespace namespaces ns",
        _STATUS,
        verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
        fields=("metadata.name", "status.phase"),
    ),
    _namespaced(
        "v1 Pod pods po",
        Subresource("binding", "Binding", verbs=("create",)),
        Subresource("log", verbs=("get",)),
        _STATUS,
        generation=True,
        fields=(*NAMES, "spec.nodeName", "spec.serviceAccountName", "status.phase"),
    ),
    _namespaced(
        "v1 Service services svc",
        Subresource("proxy", "ServiceProxyOptions", verbs=_PROXY),
        _STATUS,
    ),
    _namespaced("v1 ConfigMap configmaps cm"),
    _namespaced("v1 Secret secrets", fields=(*NAMES, "type")),
    _namespaced(
        "v1 ServiceAccount serviceaccounts sa",
        Subresource("token", "TokenRequest", "authentication.k8s.io", "v1", verbs=("create",)),
    ),
    _namespaced(
        "v1 Event events ev",
        fields=(
            *NAMES,
            *(f"involvedObject.{part}" for part in _REFERENCE),
            "reason",
            "reportingComponent",
            "source",
            "type",
        ),
    ),
    _namespaced(
        "apps/v1 Deployment deployments deploy",
        _SCALE,
        _STATUS,
        generation=True,
    ),
    _namespaced("apps/v1 ReplicaSet replicasets rs", _SCALE, _STATUS, generation=True),
    _namespaced("coordination.k8s.io/v1 Lease leases"),
    _cluster(
        "certificates.k8s.io/v1 CertificateSigningRequest certificatesigningrequests csr",
        Subresource("approval"),
        _STATUS,
        fields=("metadata.name", "spec.signerName"),
    ),
    _namespaced(f"{_RBAC} Role roles"),
    _namespaced(f"{_RBAC} RoleBinding rolebindings"),
    _cluster(f"{_RBAC} ClusterRole clusterroles"),
    _cluster(f"{_RBAC} ClusterRoleBinding clusterrolebindings"),
    _namespaced("discovery.k8s.io/v1 EndpointSlice endpointslices", generation=True),
    _cluster("apiregistration.k8s.io/v1 APIService apiservices", _STATUS),
    _namespaced(
        "events.k8s.io/v1 Event events ev",
        verbs=("create", "delete", "get", "list", "watch"),
        stored_as=(CORE, "v1", "events"),
    ),
    _namespaced("networking.k8s.io/v1 NetworkPolicy networkpolicies netpol", generation=True),
    _namespaced("policy/v1 PodDisruptionBudget poddisruptionbudgets pdb", _STATUS, generation=True),
    *(
        _cluster(f"{_ADMISSION} {words}", generation=True)
        for words in (
            "MutatingWebhookConfiguration mutatingwebhookconfigurations",
            "ValidatingWebhookConfiguration validatingwebhookconfigurations",
            "ValidatingAdmissionPolicyBinding validatingadmissionpolicybindings",
        )
    ),
    _cluster(
        f"{_ADMISSION} ValidatingAdmissionPolicy validatingadmissionpolicies",
        _STATUS,
        generation=True,
    ),
    _cluster(
        "apiextensions.k8s.io/v1 CustomResourceDefinition customresourcedefinitions crd crds",
        _STATUS,
        generation=True,
    ),
    *(
        _cluster(words, verbs=("create",))
        for words in (
            "authentication.k8s.io/v1 TokenReview tokenreviews",
            "authentication.k8s.io/v1 SelfSubjectReview selfsubjectreviews",
            "authorization.k8s.io/v1 SubjectAccessReview subjectaccessreviews",
            "authorization.k8s.io/v1 SelfSubjectAccessReview selfsubjectaccessreviews",
        )
    ),
    _namespaced(
        "authorization.k8s.io/v1 LocalSubjectAccessReview localsubjectaccessreviews",
        verbs=("create",),
    ),
)

KINDS: Mapping[tuple[str, str, str], Kind] = {
    (kind.group, kind.version, kind.plural): kind for kind in _TABLE
}


def kind_of(api_version: str, kind: str) -> Kind | None:
    """The kind that a body's apiVersion and kind name, or None."""
    return _BY_NAME.get((api_version, kind))


_BY_NAME = {(kind.api_version, kind.kind): kind for kind in _TABLE}

NODES = KINDS[CORE, "v1", "nodes"]
NAMESPACES = KINDS[CORE, "v1", "namespaces"]
PODS = KINDS[CORE, "v1", "pods"]
SERVICES = KINDS[CORE, "v1", "services"]
CONFIG_MAPS = KINDS[CORE, "v1", "configmaps"]
SECRETS = KINDS[CORE, "v1", "secrets"]
SERVICE_ACCOUNTS = KINDS[CORE, "v1", "serviceaccounts"]
EVENTS = KINDS[CORE, "v1", "events"]
DEPLOYMENTS = KINDS["apps", "v1", "deployments"]
REPLICA_SETS = KINDS["apps", "v1", "replicasets"]
LEASES = KINDS["coordination.k8s.io", "v1", "leases"]
CSRS = KINDS["certificates.k8s.io", "v1", "certificatesigningrequests"]
ROLES = KINDS["rbac.authorization.k8s.io", "v1", "roles"]
ROLE_BINDINGS = KINDS["rbac.authorization.k8s.io", "v1", "rolebindings"]
CLUSTER_ROLES = KINDS["rbac.authorization.k8s.io", "v1", "clusterroles"]
CLUSTER_ROLE_BINDINGS = KINDS["rbac.authorization.k8s.io", "v1", "clusterrolebindings"]
ENDPOINT_SLICES = KINDS["discovery.k8s.io", "v1", "endpointslices"]
API_SERVICES = KINDS["apiregistration.k8s.io", "v1", "apiservices"]
