"""The roles of whoever installs the approver, and of whoever pins. Tests run the commands with exactly these roles.

RBAC lets nobody grant what he does not hold himself. So the installer's roles have what the approver's have; `escalate` would
let him write anything into these. They may also bind the approver's roles by name: without that a dry run of a binding, whose
role is not there yet, is refused as not found.
"""

from typing import Final

from kubevouch.evidence.approvers import INSTALLER_ROLE

_BIND: Final = """\
# Bind them to whoever runs it (a ServiceAccount: --serviceaccount=NAMESPACE:NAME):
#   kubectl create clusterrolebinding {name} --clusterrole={name} --user=USER
#   for space in {spaces}; do
#     kubectl create rolebinding {name} -n $space --role={name} --user=USER
#   done
"""
_INSTALLER_ABOUT: Final = """\
# What `approver install`, `upgrade` and `remove` need. As good as the right to approve any kubelet's CSR: whoever
# has them can run any image with the approver's account. They may be bound for the time of the installation only.
# The namespace comes first, so that a Role can lie in it.
"""
_INSTALLER: Final = """\
apiVersion: v1
kind: Namespace
metadata:
  name: kubevouch-system
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {name}
rules:
# Which nodes there are, who approves already, and what the cluster calls its own.
- apiGroups: [""]
  resources: [nodes, pods, services]
  verbs: [list]
- apiGroups: [networking.k8s.io]
  resources: [servicecidrs]
  verbs: [list]
- apiGroups: [certificates.k8s.io]
  resources: [certificatesigningrequests]
  verbs: [list]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterroles, clusterrolebindings]
  verbs: [list]
# The objects that are applied.
- apiGroups: [""]
  resources: [namespaces]
  resourceNames: [kubevouch-system]
  verbs: [get, patch]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterroles, clusterrolebindings]
  resourceNames: [kubevouch-approver, "kubevouch-approver:auth-delegator"]
  verbs: [get, create, patch, delete]
- apiGroups: [admissionregistration.k8s.io]
  resources: [validatingadmissionpolicies, validatingadmissionpolicybindings]
  resourceNames: [kubevouch-serving-csr-is-made-by-a-node, kubevouch-serving-csr-is-decided-by]
  verbs: [get, create, patch, delete]
# What the approver's account gets.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterroles]
  resourceNames: [kubevouch-approver, "system:auth-delegator"]
  verbs: [bind]
- apiGroups: [certificates.k8s.io]
  resources: [certificatesigningrequests]
  verbs: [watch]
- apiGroups: [certificates.k8s.io]
  resources: [certificatesigningrequests/approval]
  verbs: [patch]
- apiGroups: [certificates.k8s.io]
  resources: [signers]
  resourceNames: [kubernetes.io/kubelet-serving]
  verbs: [approve]
- apiGroups: [""]
  resources: [nodes]
  verbs: [get, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {name}
  namespace: kubevouch-system
rules:
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [serviceaccounts, services]
  resourceNames: [kubevouch-approver]
  verbs: [get, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  resourceNames: [kubevouch-approver]
  verbs: [get, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  resourceNames: [kubevouch-approver]
  verbs: [get, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  resourceNames: [kubevouch-approver]
  verbs: [get, create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  resourceNames: [kubevouch-approver]
  verbs: [get, create, patch, delete]
# What the approver's account gets.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles]
  resourceNames: [kubevouch-approver]
  verbs: [bind]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [kubevouch-approver]
  verbs: [get, update]
---
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
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  resourceNames: [kubevouch-approver, "kubevouch-approver:auth-reader"]
  verbs: [get, create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles]
  resourceNames: [kubevouch-approver, extension-apiserver-authentication-reader]
  verbs: [bind]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {name}
  namespace: default
rules:
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  resourceNames: [kubevouch-approver]
  verbs: [get, create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles]
  resourceNames: [kubevouch-approver]
  verbs: [bind]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
"""
_PINNER_ABOUT: Final = """\
# What `kubevouch approver pin` needs, once the approver is installed. As good as the right to approve
# any kubelet's CSR: what is pinned is what the approver believes.
"""
_PINNER: Final = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {name}
rules:
- apiGroups: [""]
  resources: [nodes, services]
  verbs: [list]
# Whether the approver is installed.
- apiGroups: [""]
  resources: [namespaces]
  resourceNames: [kubevouch-system]
  verbs: [get]
- apiGroups: [networking.k8s.io]
  resources: [servicecidrs]
  verbs: [list]
- apiGroups: [certificates.k8s.io]
  resources: [certificatesigningrequests]
  verbs: [get, list]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {name}
  namespace: kubevouch-system
rules:
- apiGroups: [""]
  resources: [configmaps]
  verbs: [list, create, patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {name}
  namespace: kube-system
rules:
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [kubeadm-config, kubelet-config]
  verbs: [get]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {name}
  namespace: default
rules:
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list]
"""


def _roles(name: str, about: str, roles: str) -> str:
    spaces = "kubevouch-system kube-system default"
    return (about + _BIND + roles).replace("{name}", name).replace("{spaces}", spaces)


INSTALLER: Final = _roles(INSTALLER_ROLE, _INSTALLER_ABOUT, _INSTALLER)
PINNER: Final = _roles("kubevouch-pinner", _PINNER_ABOUT, _PINNER)
