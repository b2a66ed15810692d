"""What a decision about a request needs to know of the cluster: its nodes, all serving requests, its own names."""

from dataclasses import dataclass

from kubevouch.evidence.measured import Measured
from kubevouch.evidence.names import ClusterNames
from kubevouch.kube.resources import CertificateSigningRequest, Node


@dataclass(frozen=True, slots=True)
class Registry:
    """Read at one moment; requests are sorted oldest first."""

    nodes: Measured[tuple[Node, ...]]
    requests: Measured[tuple[CertificateSigningRequest, ...]]
    names: ClusterNames

    def node(self, name: str) -> Node | None:
        """The Node of that name."""
        return next((each for each in self.nodes.or_else(()) if each.name == name), None)
