"""What a decision about a CSR needs to know of the cluster: its nodes, all serving CSRs, its own names."""

from dataclasses import dataclass

from kubevouch.evidence.measured import Measured
from kubevouch.evidence.names import ClusterNames
from kubevouch.kube.resources import CertificateSigningRequest, Node


@dataclass(frozen=True, slots=True)
class PolicyEvidence:
    """Read at one moment; CSRs are sorted oldest first."""

    nodes: Measured[tuple[Node, ...]]
    csrs: Measured[tuple[CertificateSigningRequest, ...]]
    names: ClusterNames

    def node(self, name: str) -> Node | None:
        """The Node of that name."""
        return next((each for each in self.nodes.or_else(()) if each.name == name), None)
