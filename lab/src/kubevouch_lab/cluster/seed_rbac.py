"""Roles and bindings of a cluster that kubeadm made: the part of them that this lab's inhabitants live by.

Sources: plugin/pkg/auth/authorizer/rbac/bootstrappolicy/{policy,namespace_policy}.go of kube-apiserver, and kubeadm's
phases (bootstraptoken/node/tlsbootstrap.go, bootstraptoken/clusterinfo, kubelet/config.go, uploadconfig). The roles of
controllers that the lab does not run are left out.
"""

from kubevouch_lab.objects import Object

Rule = dict[str, list[str]]

GROUP = "rbac.authorization.k8s.io"
_DEFAULTS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_UPDATED = {f"{GROUP}/autoupdate": "true"}
_CSRS = "certificates.k8s.io"
_READ = "get list watch"


def _rule(verbs: str, groups: str, resources: str, names: str = "") -> Rule:
    """Words separated by blanks; `core` is the group without a name."""
    rule = {
        "apiGroups": ["" if each == "core" else each for each in groups.split()],
        "resources": resources.split(),
        "verbs": verbs.split(),
    }
    return rule | ({"resourceNames": names.split()} if names else {})


def _paths(*paths: str) -> Rule:
    return {"nonResourceURLs": list(paths), "verbs": ["get"]}


_EVERYTHING: list[Rule] = [
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
    {"nonResourceURLs": ["*"], "verbs": ["*"]},
]
_DISCOVERY = ("/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*")
_VIEW: list[Rule] = [
    _rule(
        _READ,
        "core",
        "configmaps endpoints events limitranges namespaces persistentvolumeclaims pods pods/log pods/status "
        "replicationcontrollers resourcequotas serviceaccounts services",
    ),
    _rule(_READ, "apps", "daemonsets deployments deployments/scale replicasets statefulsets"),
    _rule(_READ, "batch", "cronjobs jobs"),
    _rule(_READ, "discovery.k8s.io", "endpointslices"),
    _rule(_READ, "autoscaling", "horizontalpodautoscalers"),
    _rule(_READ, "policy", "poddisruptionbudgets"),
    _rule(_READ, "metrics.k8s.io", "pods nodes"),
]
_APPROVE: list[Rule] = [
    _rule("delete get list watch", _CSRS, "certificatesigningrequests"),
    _rule("update", _CSRS, "certificatesigningrequests/status certificatesigningrequests/approval"),
    _rule("approve", _CSRS, "signers", "kubernetes.io/kube-apiserver-client-kubelet"),
    _rule(
        "sign",
        _CSRS,
        "signers",
        "kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet "
        "kubernetes.io/kubelet-serving kubernetes.io/legacy-unknown",
    ),
    _rule("create", "authorization.k8s.io", "subjectaccessreviews"),
    _rule("create patch update", "core events.k8s.io", "events"),
]
CLUSTER_ROLES: dict[str, list[Rule]] = {
    "cluster-admin": _EVERYTHING,
    "view": _VIEW,
    "system:discovery": [_paths(*_DISCOVERY, "/readyz", "/version", "/version/")],
    "system:public-info-viewer": [_paths("/healthz", "/livez", "/readyz", "/version", "/version/")],
    "system:basic-user": [
        _rule(
            "create",
            "authorization.k8s.io",
            "selfsubjectaccessreviews",
        ),
        _rule("create", "authentication.k8s.io", "selfsubjectreviews"),
    ],
    "system:node-bootstrapper": [
        _rule("create get list watch", _CSRS, "certificatesigningrequests")
    ],
    "system:auth-delegator": [
        _rule("create", "authentication.k8s.io", "tokenreviews"),
        _rule("create", "authorization.k8s.io", "subjectaccessreviews"),
    ],
    "system:kubelet-api-admin": [
        _rule(_READ, "core", "nodes"),
        _rule("proxy", "core", "nodes"),
        _rule(
            "*",
            "core",
            "nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats",
        ),
    ],
    "system:certificates.k8s.io:certificatesigningrequests:nodeclient": [
        _rule("create", _CSRS, "certificatesigningrequests/nodeclient")
    ],
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient": [
        _rule("create", _CSRS, "certificatesigningrequests/selfnodeclient")
    ],
    "system:controller:certificate-controller": _APPROVE,
    "kubeadm:get-nodes": [_rule("get", "core", "nodes")],
}
_AUTOAPPROVE = "system:certificates.k8s.io:certificatesigningrequests"
_TOKENS = "Group system:bootstrappers:kubeadm:default-node-token"
# name: role, subjects ("Kind name", or "ServiceAccount namespace/name")
CLUSTER_ROLE_BINDINGS: dict[str, tuple[str, tuple[str, ...]]] = {
    "cluster-admin": ("cluster-admin", ("Group system:masters",)),
    "system:discovery": ("system:discovery", ("Group system:authenticated",)),
    "system:basic-user": ("system:basic-user", ("Group system:authenticated",)),
    "system:public-info-viewer": (
        "system:public-info-viewer",
        ("Group system:authenticated", "Group system:unauthenticated"),
    ),
    "system:controller:certificate-controller": (
        "system:controller:certificate-controller",
        ("ServiceAccount kube-system/certificate-controller",),
    ),
    "kubeadm:cluster-admins": ("cluster-admin", ("Group kubeadm:cluster-admins",)),
    "kubeadm:get-nodes": ("kubeadm:get-nodes", (_TOKENS,)),
    "kubeadm:kubelet-bootstrap": ("system:node-bootstrapper", (_TOKENS,)),
    "kubeadm:node-autoapprove-bootstrap": (f"{_AUTOAPPROVE}:nodeclient", (_TOKENS,)),
    "kubeadm:node-autoapprove-certificate-rotation": (
        f"{_AUTOAPPROVE}:selfnodeclient",
        ("Group system:nodes",),
    ),
    "kubeadm:apiserver-kubelet-client": (
        "system:kubelet-api-admin",
        ("User kube-apiserver-kubelet-client",),
    ),
}
_ONE_CONFIG_MAP = "get"
ROLES: dict[tuple[str, str], list[Rule]] = {
    ("kube-system", "extension-apiserver-authentication-reader"): [
        _rule(_READ, "core", "configmaps", "extension-apiserver-authentication")
    ],
    ("kube-system", "kubeadm:kubelet-config"): [
        _rule(_ONE_CONFIG_MAP, "core", "configmaps", "kubelet-config")
    ],
    ("kube-system", "kubeadm:nodes-kubeadm-config"): [
        _rule(_ONE_CONFIG_MAP, "core", "configmaps", "kubeadm-config")
    ],
    ("kube-public", "kubeadm:bootstrap-signer-clusterinfo"): [
        _rule(_ONE_CONFIG_MAP, "core", "configmaps", "cluster-info")
    ],
}
_JOINERS = (_TOKENS, "Group system:nodes")
ROLE_BINDINGS: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("kube-system", "system::extension-apiserver-authentication-reader"): (
        "extension-apiserver-authentication-reader",
        ("User system:kube-controller-manager", "User system:kube-scheduler"),
    ),
    ("kube-system", "kubeadm:kubelet-config"): ("kubeadm:kubelet-config", _JOINERS),
    ("kube-system", "kubeadm:nodes-kubeadm-config"): ("kubeadm:nodes-kubeadm-config", _JOINERS),
    ("kube-public", "kubeadm:bootstrap-signer-clusterinfo"): (
        "kubeadm:bootstrap-signer-clusterinfo",
        ("User system:anonymous",),
    ),
}


def objects() -> list[Object]:
    """All of them, without the metadata that a server adds."""
    found: list[Object] = []
    for name, rules in CLUSTER_ROLES.items():
        found.append(_object("ClusterRole", name) | {"rules": rules})
    for name, (role, subjects) in CLUSTER_ROLE_BINDINGS.items():
        found.append(_object("ClusterRoleBinding", name) | _bound("ClusterRole", role, subjects))
    for (namespace, name), rules in ROLES.items():
        found.append(_object("Role", name, namespace) | {"rules": rules})
    for (namespace, name), (role, subjects) in ROLE_BINDINGS.items():
        found.append(_object("RoleBinding", name, namespace) | _bound("Role", role, subjects))
    return found


def _object(kind: str, name: str, namespace: str = "") -> Object:
    metadata: Object = {"name": name} | ({"namespace": namespace} if namespace else {})
    if not name.startswith("kubeadm:"):
        metadata |= {"annotations": dict(_UPDATED), "labels": dict(_DEFAULTS)}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata}


def _bound(kind: str, role: str, subjects: tuple[str, ...]) -> Object:
    bound: Object = {"roleRef": {"apiGroup": GROUP, "kind": kind, "name": role}}
    return bound | ({"subjects": [_subject(each) for each in subjects]} if subjects else {})


def _subject(text: str) -> Object:
    kind, name = text.split(" ", 1)
    if kind == "ServiceAccount":
        namespace, name = name.split("/", 1)
        return {"kind": kind, "name": name, "namespace": namespace}
    return {"apiGroup": GROUP, "kind": kind, "name": name}
