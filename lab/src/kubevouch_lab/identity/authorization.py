"""May somebody do something: kubeadm's `--authorization-mode=Node,RBAC`, and system:masters before both.

Sources: pkg/kubeapiserver/authorizer/config.go, apiserver's pkg/authorization/union and authorizerfactory.
"""

from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.identity import nodes, rbac

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
