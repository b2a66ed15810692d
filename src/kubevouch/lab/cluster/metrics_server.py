"""Our metrics server, run as the containers of the lab's metrics-server pods: the one file where the lab meets it.

A pod's server starts when its kubelet first sees the pod, at the pod's own address, with the pod's service account, and
ends with it.
"""

from typing import Any

from kubevouch.lab.cluster.site import Host
from kubevouch.lab.kubelets.pods import ContainerState

Object = dict[str, Any]


class MetricsServers:
    """All of them. None runs until `kubevouch metrics-server` is there: their pods are not ready."""

    def state(self, pod: Object, container: str, host: Host, address: str) -> ContainerState:
        """How the pod's server does; it is started if it is not there yet."""
        del pod, container, host, address
        return ContainerState(ready=False)

    def log(self, uid: str) -> bytes:
        """What the pod's server has printed."""
        del uid
        return b""

    async def stop(self) -> None:
        """Ends all of them."""
