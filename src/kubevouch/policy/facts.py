"""The facts for the rules: a CSR, what its node may have, what other nodes have, and what is reserved."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from kubevouch.kube.resources.certificates import MOST_REQUEST
from kubevouch.policy.claims import AllowedNames, AskedNames, Claim, OtherNodes
from kubevouch.policy.credentials import CredentialAnswer
from kubevouch.policy.csr import Csr, asked_of, requestor_node
from kubevouch.policy.indexed import IndexedEvidence
from kubevouch.policy.reserved import ReservedNames


class CsrLimits(msgspec.Struct, frozen=True):
    """Limits of a kubelet's CSR."""

    pem_bytes: int = MOST_REQUEST
    names: int = 8
    addresses: int = 16
    keys: tuple[str, ...] = ("ECDSA P-256",)
    """The only key that kubelets make (client-go util/certificate/certificate_manager.go, generateCSR)."""

    lifetime: timedelta = timedelta(days=366)
    freshness: timedelta = timedelta(minutes=14)
    """A kubelet waits 15 minutes for its CSR and then drops its key (certificateWaitTimeout)."""

    skew: timedelta = timedelta(minutes=1)
    """How far in the future a CSR may be made, by the API server's clock as far as it is known."""


class EntitlementFacts(msgspec.Struct, frozen=True):
    """The facts about all that is claimed for one node, before there is any CSR."""

    allowed: AllowedNames
    other_nodes: OtherNodes | None
    reserved: ReservedNames
    limits: CsrLimits = CsrLimits()

    @property
    def asked(self) -> AskedNames:
        """A kubelet asks for every name and address of its Node's status."""
        return self.allowed.asked


class NodeSeen(msgspec.Struct, frozen=True):
    """The Node of a CSR's requestor as the API server has it now, and as it was when the CSR was first seen."""

    first_uid: str
    """The UID that the Node had then."""

    uid: str
    """The UID that it has now; "" if it is gone."""

    created: datetime | None = None


class CsrFacts(msgspec.Struct, frozen=True):
    """All facts for the rules."""

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
    """Name of the newest serving CSR that the same credential of the requestor made; None where that is not known."""

    kubelet_started: datetime | None = None
    client_certificates: frozenset[str] | None = None
    """Lower-hex SHA-256 of each client certificate read on the node's own disk. None: no survey was made."""

    without_credential_id: bool = False
    """The operator accepts that this API server does not tell which credential made a CSR."""

    credentials_told: bool = False
    """Whether another CSR says which client certificate made it: then it is not the API server that does not tell."""

    node_seen: NodeSeen | None = None
    """The requestor's Node, read live right before the decision; None: it was not."""

    key_shown_by: frozenset[str] | None = None
    """The nodes that have asked for a certificate for this public key; None: nobody kept count."""

    approvals_left: int | None = None
    """How many CSRs of this node may be approved now; None: nobody keeps count."""

    standing: CredentialAnswer | None = None
    """Whether the client certificate that made the CSR is the node's own; None: nobody watches client certificates."""

    pins_are_read: bool = True
    """Whether an approver is there, which goes by pins."""

    limits: CsrLimits = CsrLimits()

    @property
    def asked(self) -> AskedNames | None:
        """The names and addresses in the CSR."""
        return asked_of(self.csr)


NameFacts = CsrFacts | EntitlementFacts
"""The facts for rules about names and addresses, of a CSR or of what a node would request."""


def csr_facts(
    csr: Csr,
    evidence: IndexedEvidence,
    *,
    at: datetime,
    allowed: AllowedNames | None,
    pinned: Iterable[tuple[str, Claim]] = (),
    kubelet_started: datetime | None = None,
    client_certificates: frozenset[str] | None = None,
    without_credential_id: bool = False,
    standing: CredentialAnswer | None = None,
    pins_are_read: bool = True,
) -> CsrFacts:
    """The facts about one CSR, with all that the evidence tells about it. See CsrFacts for each."""
    node, asked, reserved = requestor_node(csr) or "", asked_of(csr), evidence.reserved
    others = evidence.claimed.others(node, asked or AskedNames(), reserved.shared, pinned)
    return CsrFacts(
        csr=csr,
        at=at,
        node_exists=evidence.node(node) is not None if evidence.knows_nodes else None,
        allowed=allowed,
        other_nodes=others if evidence.knows_nodes else None,
        reserved=reserved,
        newest=evidence.newest(csr),
        kubelet_started=kubelet_started,
        client_certificates=client_certificates,
        without_credential_id=without_credential_id,
        credentials_told=evidence.tells_credentials,
        standing=standing,
        pins_are_read=pins_are_read,
    )
