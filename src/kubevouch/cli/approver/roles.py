"""The roles of whoever installs the approver, and of whoever pins. Tests run the commands with exactly these roles.

RBAC lets nobody grant what he does not hold himself. So the installer's roles have what the approver's have; `escalate` would
let him write anything into these. They may also bind the approver's roles by name: without that a dry run of a binding, whose
role is not there yet, is refused as not found.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from kubevouch import goyaml
from kubevouch.cli.approver.installation import NAMESPACE, everything
from kubevouch.evidence.approvers import INSTALLER_ROLE

_RBAC: Final = "rbac.authorization.k8s.io"
_BIND: Final = """\
# Bind them to whoever runs it (a ServiceAccount: --serviceaccount=NAMESPACE:NAME):
#   kubectl create clusterrolebinding {name} --clusterrole={name} --user=USER
#   for space in kubevouch-system kube-system default; do
#     kubectl create rolebinding {name} -n $space --role={name} --user=USER
#   done
"""
_INSTALLER_ABOUT: Final = """\
# What `approver install`, `upgrade` and `remove` need. As good as the right to approve any kubelet's CSR: whoever
# has them can run any image with the approver's account. They may be bound for the time of the installation only.
# The namespace comes first, so that a Role can lie in it.
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


Rule = dict[str, Any]


def installer_roles() -> str:
    """The roles of whoever installs, upgrades and removes: to look, to write each object, and to hand on what the approver gets."""
    rules: dict[str, list[Rule]] = defaultdict(list)
    names: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    rules[""] += [
        _rule("", "nodes", "list"),
        _rule("", "pods", "list"),
        _rule("", "namespaces", "get patch", [NAMESPACE]),
        _rule(_RBAC, "clusterroles", "list"),
        _rule(_RBAC, "clusterrolebindings", "list"),
    ]
    rules[NAMESPACE].append(_rule("", "configmaps", "get list create patch delete"))
    for each in everything():
        where, body = each.namespace, each.body
        if not each.stays:
            key = (where, each.resource.group, each.resource.plural, "get create patch delete")
            names[key].append(each.name)
        if ref := body.get("roleRef"):
            names[where, _RBAC, f"{ref['kind'].lower()}s", "bind"].append(ref["name"])
        rules[where] += body.get("rules", ())
    for (where, group, plural, verbs), listed in names.items():
        rules[where].append(_rule(group, plural, verbs, listed))
    namespace = everything()[0].body
    documents = [namespace, *_documents(INSTALLER_ROLE, rules)]
    about = _INSTALLER_ABOUT + _BIND.replace("{name}", INSTALLER_ROLE)
    return about + "---\n".join(map(goyaml.written, documents))


def pinner_roles() -> str:
    """The roles of whoever pins."""
    return (_PINNER_ABOUT + _BIND + _PINNER).replace("{name}", "kubevouch-pinner")


def _rule(group: str, plural: str, verbs: str, names: Sequence[str] = ()) -> Rule:
    rule = {"apiGroups": [group], "resources": [plural], "verbs": verbs.split()}
    return rule | ({"resourceNames": [*names]} if names else {})


def _documents(name: str, rules: dict[str, list[Rule]]) -> Iterator[Rule]:
    for namespace, listed in rules.items():
        kind, place = ("Role", {"namespace": namespace}) if namespace else ("ClusterRole", {})
        metadata = {"name": name, **place}
        yield {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": metadata, "rules": listed}
