"""May somebody do something: kubeadm's `--authorization-mode=Node,RBAC`, and system:masters before both.

Sources: pkg/kubeapiserver/authorizer/config.go, apiserver's pkg/authorization/union and authorizerfactory,
pkg/endpoints/handlers/responsewriters/errors.go (the text).
"""

from kubevouch.lab.apiserver import status
from kubevouch.lab.apiserver.request import RequestInfo
from kubevouch.lab.apiserver.store import Store
from kubevouch.lab.identity import nodes, rbac

MASTERS = "system:masters"


class Authorization:
    """The authorizer of the lab's API server: `authorization(info)` gives (allowed, reason)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, info: RequestInfo) -> tuple[bool, str]:
        """The first that allows it decides; the reasons of all that do not are told, a line each."""
        if MASTERS in info.user.groups:
            return True, ""
        reasons = []
        by_node = nodes.decide(self._store, info)
        if by_node is not None:
            if by_node[0]:
                return by_node
            reasons.append(by_node[1])
        allowed, reason = rbac.decide(self._store, info)
        if allowed:
            return True, reason
        return False, "\n".join(each for each in (*reasons, reason) if each)


def cannot(info: RequestInfo) -> str:
    """`User "x" cannot list resource "nodes" in API group "" at the cluster scope`."""
    if not info.is_resource:
        return f'User "{info.user.name}" cannot {info.verb} path "{info.path}"'
    scope = f'in the namespace "{info.namespace}"' if info.namespace else "at the cluster scope"
    return (
        f'User "{info.user.name}" cannot {info.verb} resource "{info.attribute}" '
        f'in API group "{info.group}" {scope}'
    )


def refusal(info: RequestInfo, reason: str = "") -> status.StatusError:
    """The 403 for a request that no authorizer allowed."""
    why = cannot(info) + (f": {reason}" if reason else "")
    if not info.is_resource:
        return status.StatusError(403, "Forbidden", f"forbidden: {why}", {})
    return status.forbidden(info.group, info.resource, info.name, why)
