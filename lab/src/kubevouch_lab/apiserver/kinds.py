"""The kinds that the lab's API server keeps, as one table. Store, REST, discovery and printers read it.

Names, verbs, short names and categories are those of Kubernetes 1.36's own discovery documents; the fields that
may be selected on are those of each registry's conversion functions (pkg/apis/core/v1/conversion.go and its like).
"""

from collections.abc import Mapping
from dataclasses import dataclass

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
    namespaced: bool = False
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[Subresource, ...] = ()
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
_EVENT_OBJECT = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


def _core(plural: str, kind: str, *subs: Subresource, **more: object) -> Kind:
    return _kind(CORE, "v1", plural, kind, *subs, **more)


def _kind(
    group: str, version: str, plural: str, kind: str, *subs: Subresource, **more: object
) -> Kind:
    return Kind(group, version, plural, kind, subresources=subs, **more)  # type: ignore[arg-type]


def _workload(plural: str, kind: str, short: str, *subs: Subresource, **more: object) -> Kind:
    settled: dict[str, object] = {
        "namespaced": True,
        "short_names": (short,),
        "categories": ("all",),
        "generation": True,
    }
    return _kind("apps", "v1", plural, kind, *subs, _STATUS, **(settled | more))


def _rbac(plural: str, kind: str, *, namespaced: bool) -> Kind:
    return _kind("rbac.authorization.k8s.io", "v1", plural, kind, namespaced=namespaced)


def _review(group: str, plural: str, kind: str, *, namespaced: bool = False) -> Kind:
    return _kind(group, "v1", plural, kind, namespaced=namespaced, verbs=("create",))


_AUTHORIZATION = "authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"


def _webhooks(plural: str, kind: str) -> Kind:
    return _kind(_ADMISSION, "v1", plural, kind, categories=("api-extensions",), generation=True)


_TABLE = (
    _core(
        "bindings",
        "Binding",
        namespaced=True,
        verbs=("create",),
    ),
    _core(
        "nodes",
        "Node",
        Subresource("proxy", "NodeProxyOptions", verbs=_PROXY),
        _STATUS,
        short_names=("no",),
        fields=("metadata.name", "spec.unschedulable"),
    ),
    _core(
        "namespaces",
        "Namespace",
        Subresource("finalize", verbs=("update",)),
        _STATUS,
        short_names=("ns",),
        verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
        fields=("metadata.name", "status.phase"),
    ),
    _core(
        "pods",
        "Pod",
        Subresource("binding", "Binding", verbs=("create",)),
        Subresource("eviction", "Eviction", "policy", "v1", verbs=("create",)),
        Subresource("log", verbs=("get",)),
        _STATUS,
        namespaced=True,
        short_names=("po",),
        categories=("all",),
        generation=True,
        fields=(
            *NAMES,
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ),
    ),
    _core(
        "services",
        "Service",
        Subresource("proxy", "ServiceProxyOptions", verbs=_PROXY),
        _STATUS,
        namespaced=True,
        short_names=("svc",),
        categories=("all",),
        fields=(*NAMES, "spec.clusterIP", "spec.type"),
    ),
    _core("endpoints", "Endpoints", namespaced=True, short_names=("ep",)),
    _core("configmaps", "ConfigMap", namespaced=True, short_names=("cm",)),
    _core("secrets", "Secret", namespaced=True, fields=(*NAMES, "type")),
    _core(
        "serviceaccounts",
        "ServiceAccount",
        Subresource("token", "TokenRequest", "authentication.k8s.io", "v1", verbs=("create",)),
        namespaced=True,
        short_names=("sa",),
    ),
    _core(
        "events",
        "Event",
        namespaced=True,
        short_names=("ev",),
        fields=(
            *NAMES,
            *(f"involvedObject.{part}" for part in _EVENT_OBJECT),
            "reason",
            "reportingComponent",
            "source",
            "type",
        ),
    ),
    _core(
        "replicationcontrollers",
        "ReplicationController",
        _SCALE,
        _STATUS,
        namespaced=True,
        short_names=("rc",),
        categories=("all",),
        generation=True,
        fields=(*NAMES, "status.replicas"),
    ),
    _core(
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        _STATUS,
        namespaced=True,
        short_names=("pvc",),
    ),
    _core("resourcequotas", "ResourceQuota", _STATUS, namespaced=True, short_names=("quota",)),
    _core("limitranges", "LimitRange", namespaced=True, short_names=("limits",)),
    _workload("deployments", "Deployment", "deploy", _SCALE),
    _workload("replicasets", "ReplicaSet", "rs", _SCALE, fields=(*NAMES, "status.replicas")),
    _workload("daemonsets", "DaemonSet", "ds"),
    _workload("statefulsets", "StatefulSet", "sts", _SCALE),
    _kind("apps", "v1", "controllerrevisions", "ControllerRevision", namespaced=True),
    _kind(
        "batch",
        "v1",
        "jobs",
        "Job",
        _STATUS,
        namespaced=True,
        categories=("all",),
        generation=True,
        fields=(*NAMES, "status.successful"),
    ),
    _kind(
        "batch",
        "v1",
        "cronjobs",
        "CronJob",
        _STATUS,
        namespaced=True,
        short_names=("cj",),
        categories=("all",),
        generation=True,
    ),
    _kind(
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        _STATUS,
        namespaced=True,
        short_names=("hpa",),
        categories=("all",),
    ),
    _kind("coordination.k8s.io", "v1", "leases", "Lease", namespaced=True),
    _kind(
        "certificates.k8s.io",
        "v1",
        "certificatesigningrequests",
        "CertificateSigningRequest",
        Subresource("approval"),
        _STATUS,
        short_names=("csr",),
        fields=("metadata.name", "spec.signerName"),
    ),
    _rbac("roles", "Role", namespaced=True),
    _rbac("rolebindings", "RoleBinding", namespaced=True),
    _rbac("clusterroles", "ClusterRole", namespaced=False),
    _rbac("clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    _kind(
        "discovery.k8s.io",
        "v1",
        "endpointslices",
        "EndpointSlice",
        namespaced=True,
        generation=True,
    ),
    _kind(
        "apiregistration.k8s.io",
        "v1",
        "apiservices",
        "APIService",
        _STATUS,
        categories=("api-extensions",),
    ),
    _kind(
        "events.k8s.io",
        "v1",
        "events",
        "Event",
        namespaced=True,
        short_names=("ev",),
        stored_as=(CORE, "v1", "events"),
        fields=(
            *NAMES,
            *(f"regarding.{part}" for part in _EVENT_OBJECT),
            "reason",
            "reportingController",
            "type",
        ),
    ),
    _kind(
        "networking.k8s.io",
        "v1",
        "networkpolicies",
        "NetworkPolicy",
        namespaced=True,
        short_names=("netpol",),
        generation=True,
    ),
    _kind(
        "policy",
        "v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        _STATUS,
        namespaced=True,
        short_names=("pdb",),
        generation=True,
    ),
    _kind(
        "scheduling.k8s.io",
        "v1",
        "priorityclasses",
        "PriorityClass",
        short_names=("pc",),
        generation=True,
    ),
    _webhooks("mutatingwebhookconfigurations", "MutatingWebhookConfiguration"),
    _kind(
        _ADMISSION,
        "v1",
        "validatingadmissionpolicies",
        "ValidatingAdmissionPolicy",
        _STATUS,
        categories=("api-extensions",),
        generation=True,
    ),
    _kind(
        _ADMISSION,
        "v1",
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        categories=("api-extensions",),
        generation=True,
    ),
    _webhooks("validatingwebhookconfigurations", "ValidatingWebhookConfiguration"),
    _kind(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        _STATUS,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        generation=True,
    ),
    _review("authentication.k8s.io", "tokenreviews", "TokenReview"),
    _review("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview"),
    _review(_AUTHORIZATION, "subjectaccessreviews", "SubjectAccessReview"),
    _review(_AUTHORIZATION, "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    _review(_AUTHORIZATION, "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    _review(
        _AUTHORIZATION, "localsubjectaccessreviews", "LocalSubjectAccessReview", namespaced=True
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
ENDPOINTS = KINDS[CORE, "v1", "endpoints"]
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
DISRUPTION_BUDGETS = KINDS["policy", "v1", "poddisruptionbudgets"]
API_SERVICES = KINDS["apiregistration.k8s.io", "v1", "apiservices"]
