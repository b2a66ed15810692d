"""The roles that the verbs need, as manifests. Tested by running with exactly them."""

READER = """\
# What `kubevouch doctor`, `probe`, `csr list`, `csr explain`, `fix --plan`, `verify` and `top` read. No Secrets, no
# nodes/proxy (a GET on it can run commands in pods), nothing that writes.
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: kubevouch-reader
rules:
- apiGroups: [""]
  resources: [nodes, namespaces, pods, services, configmaps]
  verbs: [get, list]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list]
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

FIXER = (
    READER.replace("kubevouch-reader", "kubevouch-fixer").replace(
        "# What `kubevouch doctor`, `probe`, `csr list`, `csr explain`, `fix --plan`, `verify` and `top` read. No Secrets, no\n"
        "# nodes/proxy (a GET on it can run commands in pods), nothing that writes.",
        "# What `kubevouch fix --apply`, `undo` and `csr approve` need: the reader's role, and the approval of serving\n"
        "# requests. It may be bound for the time of the run only.",
    )
    + """\
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get]
- apiGroups: [certificates.k8s.io]
  resources: [certificatesigningrequests/approval]
  verbs: [update]
- apiGroups: [certificates.k8s.io]
  resources: [signers]
  resourceNames: [kubernetes.io/kubelet-serving]
  verbs: [approve]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [kubelet-config]
  verbs: [patch]
"""
)
