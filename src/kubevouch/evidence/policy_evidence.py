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
