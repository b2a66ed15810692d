"""The RBAC roles that the verbs need, as manifests. Tests run the verbs with exactly these roles.

Rights that a verb needs in one namespace are granted only in that namespace. A cluster-wide right to read ConfigMaps or
logs would expose the data of applications.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any, Final

from kubevouch import goyaml
from kubevouch.cli.install.product import Product
from kubevouch.cli.install.products import APPROVER, PRODUCTS

_RBAC: Final = "rbac.authorization.k8s.io"
_INSTALLER: Final = """\
# The roles for `{verb} install`, `upgrade` and `remove`. They include the rights of the {title}: a user with these
# roles can run any image with its ServiceAccount. You can delete the bindings after the installation.
# Bind them to the user who installs (for a ServiceAccount: --serviceaccount=NAMESPACE:NAME):
#   kubectl create clusterrolebinding {role} --clusterrole={role} --user=USER
#   for space in {spaces}; do
#     kubectl create rolebinding {role} -n $space --role={role} --user=USER
#   done
"""


def roles_of(name: str) -> str:
    """The manifests of these roles. name: `reader`, `rollout`, `pinner`, or a server's verb for its installer roles."""
    if name in PRODUCTS:
        return _installer_roles(PRODUCTS[name])
    folder = files(__package__).joinpath("role_manifests")
    return folder.joinpath(f"{name}.yaml").read_text(encoding="utf-8")


_Rule = dict[str, Any]


def _installer_roles(product: Product) -> str:
    """The roles to install, upgrade and remove a product: they read and write its objects, and grant its rights.

    RBAC lets users grant only rights that they have, so these roles include the product's rights. The verb `escalate`
    would allow granting any right. The verb `bind` lets the dry run of a binding succeed before its role exists.
    """
    space = product.namespace
    rules: dict[str, list[_Rule]] = defaultdict(list)
    names: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    rules[""].append(_rule("", "nodes", "list"))
    rules[space].append(_rule("", "pods", "list"))
    if product is APPROVER:  # `approver install` also looks for other approvers and writes pins
        rules[""] += [
            _rule("", "pods", "list"),
            _rule(_RBAC, "clusterroles", "list"),
            _rule(_RBAC, "clusterrolebindings", "list"),
        ]
        rules[space].append(_rule("", "configmaps", "get list create patch delete"))
    for each in product.objects:
        where, body = each.namespace, each.body
        if not each.stays:
            key = (where, each.resource.group, each.resource.plural, "get create patch delete")
            names[key].append(each.name)
        elif not where:
            names["", each.resource.group, each.resource.plural, "get patch"].append(each.name)
        if ref := body.get("roleRef"):
            names[where, _RBAC, f"{ref['kind'].lower()}s", "bind"].append(ref["name"])
        rules[where] += body.get("rules", ())
    for (where, group, plural, verbs), listed in names.items():
        rules[where].append(_rule(group, plural, verbs, listed))
    role = f"{product.name}-installer"
    # The namespace comes first, since it may contain a Role.
    namespaces = [each.body for each in product.objects if each.resource.kind == "Namespace"]
    documents = [*namespaces, *_documents(role, rules)]
    spaces = " ".join(sorted(filter(None, rules), reverse=True))
    head = _INSTALLER.format(verb=product.verb, title=product.title, role=role, spaces=spaces)
    return head + "---\n".join(map(goyaml.written, documents))


def _rule(group: str, plural: str, verbs: str, names: Sequence[str] = ()) -> _Rule:
    rule = {"apiGroups": [group], "resources": [plural], "verbs": verbs.split()}
    return rule | ({"resourceNames": [*names]} if names else {})


def _documents(name: str, rules: dict[str, list[_Rule]]) -> Iterator[_Rule]:
    for namespace, listed in rules.items():
        kind, place = ("Role", {"namespace": namespace}) if namespace else ("ClusterRole", {})
        metadata = {"name": name, **place}
        yield {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": metadata, "rules": listed}
