"""What needs a container: refused at once and in the lab's own words, since a pod of the lab has none.

A 404, which an unknown path gives, reads like a broken cluster, and kubectl debug dereferences what a 404 of this kind
lacks.
"""

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.kinds import PODS
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.apiserver.store import Store

_SUBRESOURCES = {
    "exec": "kubectl exec and cp cannot run anything in a pod",
    "attach": "kubectl attach and run -it cannot attach to anything",
    "portforward": "kubectl port-forward cannot forward a pod's port",
    "ephemeralcontainers": "kubectl debug cannot add a container to a pod",
}
WHY = "this cluster is a kubevouch lab, which has no containers"


def check(store: Store, info: RequestInfo) -> None:
    """Raises a StatusError 501 for a subresource of a pod that a container would answer; 404 where the pod is not."""
    if (info.group, info.version, info.resource) != ("", "v1", "pods"):
        return
    what = _SUBRESOURCES.get(info.subresource)
    if what is not None:
        store.get(PODS, info.name, info.namespace)
        raise status.StatusError(501, "NotImplemented", f"{WHY}: {what}")
