"""What a kubelet may do: the authorizer of nodes, which decides before RBAC.

Sources: plugin/pkg/auth/authorizer/node/node_authorizer.go (1.36, AuthorizeNodeWithSelectors on),
pkg/auth/nodeidentifier/default.go, NodeRules in plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go.

Not here: what pods refer to (volumes, Secrets, ConfigMaps, resource claims), which no kubelet of the lab reads.
"""

from kubevouch_lab.apiserver.request import RequestInfo, UserInfo
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.identity.rbac import Rule, allows
from kubevouch_lab.objects import name_of

PREFIX = "system:node:"
GROUP = "system:nodes"
LEASE_NAMESPACE = "kube-node-lease"
_READS = frozenset({"get", "list", "watch"})
_LEASE_VERBS = frozenset({"get", "create", "update", "patch", "delete"})
_CHANGES = frozenset({"update", "patch"})


def _rule(groups: str, resources: str, *verbs: str) -> Rule:
    listed = [group if group != "core" else "" for group in groups.split()]
    return {"apiGroups": listed, "resources": resources.split(), "verbs": list(verbs)}


_RULES = (
    _rule("authentication.k8s.io", "tokenreviews", "create"),
    _rule("authorization.k8s.io", "subjectaccessreviews localsubjectaccessreviews", "create"),
    _rule("core", "services", "get", "list", "watch"),
    _rule("core events.k8s.io", "events", "create", "update", "patch"),
    _rule("core", "endpoints", "get"),
    _rule("certificates.k8s.io", "certificatesigningrequests", "create", "get", "list", "watch"),
)


def node_of(user: UserInfo) -> str | None:
    """The node that this user is; None for everybody else. Both the name's prefix and the group are needed."""
    if user.name.startswith(PREFIX) and GROUP in user.groups:
        return user.name.removeprefix(PREFIX)
    return None


def decide(store: Store, info: RequestInfo) -> tuple[bool, str] | None:
    """What this authorizer says of a request; None (no opinion) for users that are not nodes."""
    node = node_of(info.user)
    if node is None:
        return None
    if not node:
        return False, f'unknown node for user "{info.user.name}"'
    decision = _subdivided(store, node, info) if info.is_resource else None
    if decision is not None:
        return decision
    return any(allows(rule, info) for rule in _RULES), ""


def _subdivided(store: Store, node: str, info: RequestInfo) -> tuple[bool, str] | None:
    match info.group, info.resource:
        case "", ("secrets" | "configmaps"):
            return _related_read(node, info)
        case "", "serviceaccounts":
            return _token(store, node, info)
        case "coordination.k8s.io", "leases":
            return _lease(node, info)
        case "", "nodes":
            return _node(node, info)
        case "", "pods":
            return _pod(store, node, info)
    return None


def _related_read(node: str, info: RequestInfo) -> tuple[bool, str]:
    """No kubelet of the lab reads what its pods refer to."""
    if info.verb not in _READS:
        return False, "can only read resources of this type"
    return _related(node, found=False)


def _token(store: Store, node: str, info: RequestInfo) -> tuple[bool, str]:
    if info.verb != "create" or not info.name:
        return False, "can only create tokens for individual service accounts"
    if info.subresource != "token":
        return False, "can only create token subresource of serviceaccount"
    accounts = {
        pod.get("spec", {}).get("serviceAccountName") or "default"
        for pod in store.pods_of(node, info.namespace)
    }
    return _related(node, found=info.name in accounts)


def _lease(node: str, info: RequestInfo) -> tuple[bool, str]:
    if info.verb not in _LEASE_VERBS:
        return False, "can only get, create, update, patch, or delete a node lease"
    if info.namespace != LEASE_NAMESPACE:
        return False, f'can only access leases in the "{LEASE_NAMESPACE}" system namespace'
    if info.verb != "create" and info.name != node:
        return False, "can only access node lease with the same name as the requesting node"
    return True, ""


def _node(node: str, info: RequestInfo) -> tuple[bool, str]:
    if info.subresource == "status":
        return info.verb in _CHANGES, ""
    if info.subresource:
        return False, ""
    if info.verb in _READS:
        if not info.name:
            return False, f"node '{node}' cannot read all nodes, only its own Node object"
        if info.name != node:
            return False, f"node '{node}' cannot read '{info.name}', only its own Node object"
        return True, ""
    return info.verb in {"create", *_CHANGES}, ""


def _pod(store: Store, node: str, info: RequestInfo) -> tuple[bool, str]:
    match info.subresource:
        case "status":
            return info.verb in _CHANGES, ""
        case "" if info.verb in {"create", "delete"}:
            return True, ""
        case "" if info.verb in _READS and info.name:
            pods = store.pods_of(node, info.namespace)
            return _related(node, found=any(name_of(pod) == info.name for pod in pods))
        case "" if info.verb in {"list", "watch"}:
            # A real one wants fieldSelector spec.nodeName; RequestInfo does not carry selectors.
            return True, ""
    return False, ""


def _related(node: str, *, found: bool) -> tuple[bool, str]:
    if found:
        return True, ""
    return False, f"no relationship found between node '{node}' and this object"
