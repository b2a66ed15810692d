"""RBAC: roles and their bindings."""

from kubevouch.kube.resources.meta import Narrow, Object, Resource


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


_GROUP = "rbac.authorization.k8s.io"
CLUSTER_ROLES = Resource(_GROUP, "v1", "clusterroles", "ClusterRole", Role)
CLUSTER_ROLE_BINDINGS = Resource(
    _GROUP, "v1", "clusterrolebindings", "ClusterRoleBinding", RoleBinding
)
ROLES = Resource(_GROUP, "v1", "roles", "Role", Role, namespaced=True)
ROLE_BINDINGS = Resource(_GROUP, "v1", "rolebindings", "RoleBinding", RoleBinding, namespaced=True)
