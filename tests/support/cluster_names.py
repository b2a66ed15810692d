"""The names of a cluster of which nothing is known but what a test says."""

from typing import Any

from kubevouch.evidence.names import ClusterNames
from kubevouch.kube.access import LoopbackKubelets


def cluster_names(**known: Any) -> ClusterNames:
    """Its domain is cluster.local, unless the test says otherwise."""
    nothing: dict[str, Any] = {
        "own_endpoints": {},
        "virtual": {},
        "external": {},
        "services": {},
        "service_networks": (),
        "pod_networks": (),
        "domains": ("cluster.local",),
        "doubts": (),
        "loopback": LoopbackKubelets(),
    }
    return ClusterNames(**(nothing | known))
