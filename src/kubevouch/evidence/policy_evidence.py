"""The evidence for a decision about a CSR: the cluster's nodes, all serving CSRs, and the cluster's own names."""

from dataclasses import dataclass

from kubevouch.evidence.measured import Measured
from kubevouch.evidence.names import ClusterNames
from kubevouch.kube.resources import CertificateSigningRequest, Node


@dataclass(frozen=True, slots=True)
class PolicyEvidence:
    """The evidence, read at one moment. CSRs are sorted oldest first."""

    nodes: Measured[tuple[Node, ...]]
    csrs: Measured[tuple[CertificateSigningRequest, ...]]
    names: ClusterNames

    def node(self, name: str) -> Node | None:
        """The Node with this name, or None."""
        return next((each for each in self.nodes.or_else(()) if each.name == name), None)
