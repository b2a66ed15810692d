"""Which nodes are alike, so that one of them can stand for the others. Pure."""

import msgspec

from kubevouch.kube.resources import Node

POOL_LABELS = (
    "cloud.google.com/gke-nodepool",
    "doks.digitalocean.com/node-pool",
    "eks.amazonaws.com/nodegroup",
    "alpha.eksctl.io/nodegroup-name",
    "k8s.scaleway.com/pool-name",
    "karpenter.sh/nodepool",
    "kops.k8s.io/instancegroup",
    "kubernetes.azure.com/agentpool",
    "lke.linode.com/pool-id",
    "worker.gardener.cloud/pool",
)
"""Labels that name a node's pool, each set by who makes the pool. The first that a node has counts."""


class Stratum(msgspec.Struct, frozen=True, order=True):
    """Nodes that are alike in what decides whether a change works on them."""

    os_image: str
    kubelet: str
    """Minor version, as in 1.34."""

    architecture: str
    pool: str = ""
    """Empty where no known label names one."""

    def __str__(self) -> str:
        kubelet = f"kubelet {self.kubelet}" if self.kubelet else ""
        pool = f"pool {self.pool}" if self.pool else ""
        known = [each for each in (self.os_image, kubelet, self.architecture, pool) if each]
        return ", ".join(known) or "of an unknown kind"


UNKNOWN = Stratum("", "", "")
"""What a plan knows that does not say."""


def stratum_of(node: Node) -> Stratum:
    """The stratum of a Node, by its status and its labels."""
    info, labels = node.status.node_info, node.metadata.labels
    return Stratum(
        os_image=info.os_image,
        kubelet=".".join(info.kubelet_version.removeprefix("v").split(".")[:2]),
        architecture=info.architecture,
        pool=next((labels[each] for each in POOL_LABELS if labels.get(each)), ""),
    )
