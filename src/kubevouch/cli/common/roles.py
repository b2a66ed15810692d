"""The roles that the verbs need, as manifests. Tests run the verbs with exactly these roles.

Rights for one namespace are granted in that namespace only: a cluster-wide right to read ConfigMaps or logs would
reveal what applications keep there.
"""

from kubevouch.evidence.approvers import ROLLOUT_ROLE

_CLUSTER = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {name}
rules:
- apiGroups: [""]
  resources: [nodes, namespaces, pods, services]
  verbs: [get, list]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list]
# Which nodes must not be restarted at once. Without it `apply` changes one at a time.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list]
- apiGroups: [networking.k8s.io]
  resources: [servicecidrs]
  verbs: [list]
- apiGroups: [certificates.k8s.io]
  resources: [certificatesigningrequests]
  verbs: [get, list, watch]
- apiGroups: [apiregistration.k8s.io]
  resources: [apiservices]
  verbs: [get, list]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterroles, clusterrolebindings]
  verbs: [get, list]
- apiGroups: [metrics.k8s.io]
  resources: [nodes, pods]
  verbs: [get, list]
"""
_CALLED = """\
- apiGroups: [admissionregistration.k8s.io]
  resources: [validatingwebhookconfigurations, mutatingwebhookconfigurations]
  verbs: [list]
"""
_SYSTEM = """\
---
# kubeadm's and the kubelets' configuration, the CA of pods, metrics-server's log. If metrics-server runs in another
# namespace, make a Role with the second rule there, too.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {name}
  namespace: kube-system
rules:
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [kubeadm-config, kubelet-config, kube-root-ca.crt]
  verbs: [get]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
# Whether a run of `apply` is under way.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [kubevouch-rollout]
  verbs: [get]
"""
_PUBLIC = """\
---
# Which bootstrap tokens are alive.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {name}
  namespace: kube-public
rules:
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [cluster-info]
  verbs: [get]
"""
_LEASES = """\
---
# By them a node's clock shows, and that a kubelet runs again.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {name}
  namespace: kube-node-lease
rules:
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list]
"""
_AUTHENTICATION = """\
# By whom the API server knows the front proxy and its clients.
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [extension-apiserver-authentication]
  verbs: [get]
"""
_APPROVES = """\
- apiGroups: [certificates.k8s.io]
  resources: [certificatesigningrequests/approval]
  verbs: [patch]
- apiGroups: [certificates.k8s.io]
  resources: [signers]
  resourceNames: [kubernetes.io/kubelet-serving]
  verbs: [approve]
"""
_CONFIGURES = """\
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [kubelet-config]
  verbs: [patch]
"""
_EXCLUDES = """\
# One run at a time. A right to create cannot be limited to one name.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [kubevouch-rollout]
  verbs: [get, update]
"""
_BINDING = """\
# Bind all four to whoever runs it (a ServiceAccount: --serviceaccount=NAMESPACE:NAME):
#   kubectl create clusterrolebinding {name} --clusterrole={name} --user=USER
#   for space in kube-system kube-public kube-node-lease; do
#     kubectl create rolebinding {name} -n $space --role={name} --user=USER
#   done
# Where the approver is installed, its pins and its Lease count, too:
#   kubectl create role {name} -n kubevouch-system --verb={verbs} --resource=configmaps,leases.coordination.k8s.io
#   kubectl create rolebinding {name} -n kubevouch-system --role={name} --user=USER
"""
_PODS = """\
# For --via pod, in the namespace of the pods. Whoever may create pods there is root on every node:
#   kubectl create role {name}-pods -n kube-system --verb=create,delete,get,list,watch --resource=pods
#   kubectl create rolebinding {name}-pods -n kube-system --role={name}-pods --user=USER
"""


def _manifest(name: str, about: str, *parts: str, pins: str = "get,list", pods: str = "") -> str:
    """pins: the verbs that are needed on the approver's pins, where it is installed. pods: what is said of --via pod."""
    binding = _BINDING.replace("{verbs}", pins) + pods
    return about + "".join(part.replace("{name}", name) for part in (binding, *parts))


READER = _manifest(
    "kubevouch-reader",
    "# What `doctor`, `probe`, `certs`, `csr list`, `csr explain`, `plan`, `verify` and `top` read. No\n"
    "# Secrets, no nodes/proxy (a GET on it can run commands in pods), nothing that\n"
    "# writes.\n",
    _CLUSTER,
    _CALLED,
    _SYSTEM,
    _AUTHENTICATION,
    _PUBLIC,
    _LEASES,
)
ROLLOUT = _manifest(
    ROLLOUT_ROLE,
    "# What `apply`, `undo`, `csr approve` and `csr deny` need: what the reader's roles allow for them, the\n"
    "# approval of CSRs for serving certificates, the change of one ConfigMap, and one Lease. They may be bound for the time of the run\n"
    "# only.\n",
    _CLUSTER,
    _APPROVES,
    _SYSTEM,
    _CONFIGURES,
    _EXCLUDES,
    _PUBLIC,
    _LEASES,
    pins="get,list,create,patch",
    pods=_PODS,
)
