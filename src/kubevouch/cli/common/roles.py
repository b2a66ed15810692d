"""The roles that the verbs need, as manifests. Tests run the verbs with exactly these roles.

Rights for one namespace are granted in that namespace only: a cluster-wide right to read ConfigMaps or logs would
reveal what applications keep there.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any, Final

from kubevouch import goyaml
from kubevouch.cli.approver.installation import NAMESPACE, everything
from kubevouch.evidence.approvers import INSTALLER_ROLE

_RBAC: Final = "rbac.authorization.k8s.io"
_INSTALLER: Final = """\
# What `approver install`, `upgrade` and `remove` need. As good as the right to approve any kubelet's CSR: whoever
# has them can run any image with the approver's account. They may be bound for the time of the installation only.
# The namespace comes first, so that a Role can lie in it.
# Bind them to whoever runs it (a ServiceAccount: --serviceaccount=NAMESPACE:NAME):
#   kubectl create clusterrolebinding kubevouch-approver-installer --clusterrole=kubevouch-approver-installer --user=USER
#   for space in kubevouch-system kube-system default; do
#     kubectl create rolebinding kubevouch-approver-installer -n $space --role=kubevouch-approver-installer --user=USER
#   done
"""


def roles_of(name: str) -> str:
    """The roles of a `reader`, of who does a `rollout`, of a `pinner` or an `installer`."""
    if name == "installer":
        return _installer_roles()
    folder = files(__package__).joinpath("role_manifests")
    return folder.joinpath(f"{name}.yaml").read_text(encoding="utf-8")


_Rule = dict[str, Any]


def _installer_roles() -> str:
    """Those of whoever installs, upgrades and removes the approver: to look, to write each object, and to hand on what it gets.

    RBAC lets nobody grant what he does not hold himself. So they have what the approver's have; `escalate` would let him write
    anything into these. They may also bind the approver's roles by name: without that a dry run of a binding, whose role is not
    there yet, is refused as not found.
    """
    rules: dict[str, list[_Rule]] = defaultdict(list)
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
    return _INSTALLER + "---\n".join(map(goyaml.written, documents))


def _rule(group: str, plural: str, verbs: str, names: Sequence[str] = ()) -> _Rule:
    rule = {"apiGroups": [group], "resources": [plural], "verbs": verbs.split()}
    return rule | ({"resourceNames": [*names]} if names else {})


def _documents(name: str, rules: dict[str, list[_Rule]]) -> Iterator[_Rule]:
    for namespace, listed in rules.items():
        kind, place = ("Role", {"namespace": namespace}) if namespace else ("ClusterRole", {})
        metadata = {"name": name, **place}
        yield {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": metadata, "rules": listed}
