"""All that the rules may look at: one CSR, what its node may have, what other nodes have, what is reserved."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from kubevouch.evidence.policy_evidence import PolicyEvidence
from kubevouch.policy.claims import AllowedNames, Claim, OtherNodes, other_nodes_of
from kubevouch.policy.csr import Csr, newest_of, requestor_node
from kubevouch.policy.reserved import ReservedNames, reserved_of


class CsrLimits(msgspec.Struct, frozen=True):
    """Bounds of what a kubelet's CSR looks like."""

    pem_bytes: int = 8 * 1024
    names: int = 8
    addresses: int = 16
    keys: tuple[str, ...] = ("ECDSA P-256",)
    """The kubelet makes no other (client-go util/certificate/certificate_manager.go, generateCSR)."""

    lifetime: timedelta = timedelta(days=366)
    freshness: timedelta = timedelta(minutes=14)
    """A kubelet waits 15 minutes for its CSR and then drops its key (certificateWaitTimeout)."""


class CsrFacts(msgspec.Struct, frozen=True):
    """All that the rules may look at."""

    csr: Csr
    at: datetime
    node_exists: bool | None
    """A Node of the requestor's name is there; None where that is not known."""

    allowed: AllowedNames | None
    """None: no source knows this node."""

    other_nodes: OtherNodes | None = OtherNodes()
    """None: the nodes of the cluster could not be read."""

    reserved: ReservedNames = ReservedNames()
    newest: str | None = None
    """Name of the newest serving CSR of the same requestor; None where that is not known."""

    kubelet_started: datetime | None = None
    limits: CsrLimits = CsrLimits()


def csr_facts(
    csr: Csr,
    policy_evidence: PolicyEvidence,
    *,
    at: datetime,
    allowed: AllowedNames | None,
    pinned: Iterable[tuple[str, Claim]] = (),
    kubelet_started: datetime | None = None,
) -> CsrFacts:
    """The facts about one CSR, with all that the registry tells about it."""
    node = requestor_node(csr)
    nodes = policy_evidence.nodes.value
    reserved = reserved_of(policy_evidence.names)
    return CsrFacts(
        csr=csr,
        at=at,
        node_exists=None if nodes is None else any(each.name == node for each in nodes),
        allowed=allowed,
        other_nodes=None
        if nodes is None
        else other_nodes_of(node or "", nodes, reserved.shared, pinned),
        reserved=reserved,
        newest=newest_of(policy_evidence.csrs.or_else(()), csr.username),
        kubelet_started=kubelet_started,
    )
