"""A good request of worker-1, and the cluster around it. Each test makes one thing different."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

from kubevouch.outcome import Outcome
from kubevouch.policy.claims import Address, AllowedNames, Claim, ClaimedBy, NameSource, OtherNodes
from kubevouch.policy.credentials import CredentialAnswer
from kubevouch.policy.csr import Csr
from kubevouch.policy.decide import Decision, decide
from kubevouch.policy.facts import CsrFacts, NodeSeen
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.reserved import ReservedNames
from kubevouch.x509.csr import read_csr
from kubevouch.x509.errors import X509Error
from tests.support.requests import request

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NODE = "worker-1.example.com"
ADDRESS = "192.168.88.112"


@dataclass
class Case:
    """The facts in pieces, good as it stands."""

    pem: bytes = field(default_factory=lambda: request(NODE, [NODE], [ADDRESS]))
    node: str = NODE
    names: tuple[Claim, ...] = (Claim(NODE, NameSource.NODE_NAME),)
    addresses: tuple[Claim, ...] = (Claim(ADDRESS, NameSource.SSH_HOST_KEY),)
    control_plane: bool = False
    known: bool = True
    username: str = f"system:node:{NODE}"
    groups: tuple[str, ...] = ("system:nodes", "system:authenticated")
    signer: str = "kubernetes.io/kubelet-serving"
    usages: tuple[str, ...] = ("digital signature", "server auth")
    expiration_seconds: int | None = None
    age: timedelta = timedelta(seconds=5)
    conditions: tuple[str, ...] = ()
    node_exists: bool | None = True
    newest: str | None = "csr-1"
    kubelet_started: datetime | None = None
    credential_ids: tuple[str, ...] = ()
    client_certificates: frozenset[str] | None = None
    without_credential_id: bool = False
    credentials_told: bool = False
    node_seen: NodeSeen | None = None
    key_shown_by: frozenset[str] | None = None
    approvals_left: int | None = None
    standing: CredentialAnswer | None = None
    pins_are_read: bool = True
    other_names: dict[str, ClaimedBy] = field(default_factory=dict)
    other_addresses: dict[Address, ClaimedBy] = field(default_factory=dict)
    external: bool = False
    """A Service calls this node's address its own external one."""

    def facts(self) -> CsrFacts:
        try:
            parsed, unreadable = read_csr(self.pem, "csr-1"), ""
        except X509Error as error:
            parsed, unreadable = None, str(error)
        return CsrFacts(
            csr=Csr(
                name="csr-1",
                pem=self.pem,
                parsed=parsed,
                unreadable=unreadable,
                username=self.username,
                groups=self.groups,
                signer=self.signer,
                usages=self.usages,
                expiration_seconds=self.expiration_seconds,
                created=NOW - self.age,
                credential_ids=self.credential_ids,
                conditions=self.conditions,
            ),
            at=NOW,
            node_exists=self.node_exists,
            allowed=AllowedNames(
                node=self.node,
                names=self.names,
                addresses=self.addresses,
                control_plane=self.control_plane,
            )
            if self.known
            else None,
            other_nodes=OtherNodes(
                names={
                    "worker-2.example.com": ClaimedBy("worker-2", proven=True),
                    **self.other_names,
                },
                addresses={
                    ip_address("192.168.88.113"): ClaimedBy("worker-2", proven=True),
                    **self.other_addresses,
                },
            ),
            reserved=ReservedNames(
                names={"lb.example.com": "a load balancer", "cp-1.example.com": "the API server"},
                suffixes={".k8s.example.org": "the cluster's own domain"},
                addresses={ip_address("192.168.88.250"): "a virtual address"},
                networks={ip_network("10.96.0.0/12"): "Services"},
                external_addresses={ip_address("192.168.88.112"): "Service shop/web"}
                if self.external
                else {},
                endpoint_addresses={ip_address("192.168.88.111"): "the API server"},
            ),
            newest=self.newest,
            kubelet_started=self.kubelet_started,
            client_certificates=self.client_certificates,
            without_credential_id=self.without_credential_id,
            credentials_told=self.credentials_told,
            node_seen=self.node_seen,
            key_shown_by=self.key_shown_by,
            approvals_left=self.approvals_left,
            standing=self.standing,
            pins_are_read=self.pins_are_read,
        )

    def judged(self) -> Decision:
        return decide(self.facts())


OWN = CredentialAnswer(Outcome.PASS, HoldReason.PASSES, "why")
BORROWED = CredentialAnswer(Outcome.REFUSE, HoldReason.BORROWED_IDENTITY, "why")
UNKNOWN = CredentialAnswer(Outcome.CANNOT_TELL, HoldReason.UNKNOWN_CREDENTIAL, "why")
OPEN = CredentialAnswer(Outcome.PASS, HoldReason.NOT_ASKED, "why")
"""What may be said of the client certificate that made a CSR."""
