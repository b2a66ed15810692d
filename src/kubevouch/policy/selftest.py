"""The approver's self-test: one attack for each rule, made for this very cluster and put before the policy as it is.

It proves what a reader of the rules can only believe: that with these sources, these Nodes and this configuration each
attack is held, and by which rule. Nothing is sent to the cluster; keys are made in memory and dropped.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import ip_address

import msgspec

from kubevouch.evidence.snapshot import is_control_plane
from kubevouch.kube.resources import Metadata, Node, NodeAddress
from kubevouch.kube.resources.nodes import NodeStatus
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import Address, AskedNames, as_address
from kubevouch.policy.credentials import AllowedCertificate, NodeCredentials
from kubevouch.policy.credentials import judged as judged_credential
from kubevouch.policy.csr import KUBELET_SERVING, NODE_USER, NODES_GROUP, Csr, parsed_of
from kubevouch.policy.decide import Decision, decide
from kubevouch.policy.facts import CsrFacts, CsrLimits, NodeSeen
from kubevouch.policy.node_index import NodeIndex
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.reserved import ReservedNames
from kubevouch.policy.sources.choice import IdentitySources, answer_for, written_claims
from kubevouch.policy.sources.configuration import ApproverConfiguration
from kubevouch.policy.written import WrittenClaims
from kubevouch.x509 import CsrTemplate, new_csr

CSR_NAME = "kubevouch-selftest"
CERTIFICATE = "5e" * 32
"""SHA-256 of the client certificate that the honest kubelet of this test has."""

OWN = NodeCredentials(closed=True, allowed=(AllowedCertificate(CERTIFICATE),))
VICTIM_NAME = "kubevouch-selftest-victim"
VICTIM_ADDRESS = ip_address("192.0.2.17")
"""Of a Node that is there during the test only: a cluster of one node has no other to attack (RFC 5737)."""

_VICTIM = Node(
    metadata=Metadata(name=VICTIM_NAME),
    status=NodeStatus(addresses=(NodeAddress(type="InternalIP", address=str(VICTIM_ADDRESS)),)),
)


@dataclass(frozen=True, slots=True)
class Scene:
    """A CSR of one node and the cluster around it, honest as it stands. An attack changes some of it."""

    node: Node
    index: NodeIndex
    """All Nodes of the cluster and the victim."""

    written: WrittenClaims
    sources: IdentitySources
    reserved: ReservedNames
    at: datetime
    template: CsrTemplate
    username: str
    groups: tuple[str, ...] = (NODES_GROUP, "system:authenticated")
    signer: str = KUBELET_SERVING
    usages: tuple[str, ...] = ("digital signature", "server auth")
    expiration_seconds: int | None = None
    age: timedelta = timedelta(seconds=1)
    conditions: tuple[str, ...] = ()
    newest: str = CSR_NAME
    node_exists: bool = True
    uid_now: str | None = None
    credential: str = CERTIFICATE
    key_shown_by: frozenset[str] = field(default_factory=frozenset)
    approvals_left: int = 6
    credentials: NodeCredentials = OWN
    respelled: Callable[[bytes], bytes] = bytes
    """What is done to the PEM before it is sent."""

    def asking(self, *values: str | Address, only: bool = False) -> "Scene":
        """The same, and the CSR asks for these besides, or for nothing but these."""
        names = tuple(each for each in values if isinstance(each, str))
        addresses = tuple(each for each in values if not isinstance(each, str))
        if not only:
            names = (*self.template.names, *names)
            addresses = (*self.template.addresses, *addresses)
        return replace(self, template=replace(self.template, names=names, addresses=addresses))


class Attack(msgspec.Struct, frozen=True):
    """One attack: what it is called, which threat of the threat model it is, and the reasons with which it may be held."""

    threat: str
    what: str
    expected: tuple[HoldReason, ...]
    change: Callable[[Scene], Scene | None]
    """Makes it of an honest CSR; None where this cluster has nothing to attack in this way."""


class SelfTestRow(msgspec.Struct, frozen=True, rename="camel"):
    """What became of one attack, or of the honest CSR (threat "")."""

    threat: str
    attack: str
    expected: tuple[HoldReason, ...]
    got: tuple[HoldReason, ...]
    """The reasons of all rules that hold it; Passes alone if none does; empty if it was left out."""

    why: str
    """The rules that hold it, in words; or why it was left out."""

    @property
    def as_expected(self) -> bool:
        """Whether it is held for a reason that was expected, or was left out."""
        return not self.got or bool(set(self.expected) & set(self.got))


def self_test(
    attacks: Iterable[Attack],
    nodes: Iterable[Node],
    sources: IdentitySources,
    reserved: ReservedNames,
    at: datetime,
) -> tuple[SelfTestRow, ...]:
    """What the policy makes of an honest CSR of one node, and of each attack by it. Without a Node nothing is asked."""
    scene = scene_of(tuple(nodes), sources, reserved, at)
    if scene is None:
        return ()
    rows = [_row("", "an honest CSR", (HoldReason.PASSES,), judged(scene))]
    for attack in attacks:
        changed = attack.change(scene)
        if changed is None:
            left_out = "left out: this cluster has nothing to attack in this way"
            rows.append(SelfTestRow(attack.threat, attack.what, attack.expected, (), left_out))
        else:
            rows.append(_row(attack.threat, attack.what, attack.expected, judged(changed)))
    return tuple(rows)


def _row(
    threat: str, what: str, expected: tuple[HoldReason, ...], decision: Decision
) -> SelfTestRow:
    passed = decision.outcome is Outcome.PASS
    got = (HoldReason.PASSES,) if passed else tuple(r.reason for r in decision.held_by)
    return SelfTestRow(threat, what, expected, tuple(dict.fromkeys(got)), decision.why)


_MOST_TRIED = 20


def scene_of(
    nodes: tuple[Node, ...], sources: IdentitySources, reserved: ReservedNames, at: datetime
) -> Scene | None:
    """An honest CSR of the first node that may have one, workers first; of any node if no node may. None: there is no Node."""
    index, written = NodeIndex(), WrittenClaims()
    for node in (*nodes, _VICTIM):
        index.put(node)
        written.put(node.name, written_claims(sources, node.name))
    workers_first = sorted(nodes, key=is_control_plane)[:_MOST_TRIED]
    scenes = [
        _honest(node, index, written, sources, reserved=reserved, at=at) for node in workers_first
    ]
    passing = (each for each in scenes if judged(each).outcome is Outcome.PASS)
    return next(passing, scenes[0] if scenes else None)


def _honest(
    node: Node,
    index: NodeIndex,
    written: WrittenClaims,
    sources: IdentitySources,
    *,
    reserved: ReservedNames,
    at: datetime,
) -> Scene:
    """What its kubelet would ask for: what is written down for it, else what its Node claims."""
    listed = tuple(dict.fromkeys(claim.value for claim in written_claims(sources, node.name)))
    values = listed or tuple(each.address for each in node.status.addresses if each.address)
    names = tuple(each for each in values if as_address(each) is None)
    addresses = tuple(found for each in values if (found := as_address(each)) is not None)
    user = f"{NODE_USER}{node.name}"
    return Scene(
        node=node,
        index=index,
        written=written,
        sources=sources,
        reserved=reserved,
        at=at,
        template=CsrTemplate(user, names=names, addresses=addresses),
        username=user,
    )


def judged(scene: Scene) -> Decision:
    """What the policy decides about the CSR of a scene: every rule is asked."""
    configuration = scene.sources.configuration
    limits = (
        configuration.limits if isinstance(configuration, ApproverConfiguration) else CsrLimits()
    )
    pem = scene.respelled(new_csr(scene.template))
    parsed, unreadable = parsed_of(pem, CSR_NAME)
    asked = AskedNames(parsed.dns_names, parsed.ip_addresses) if parsed else AskedNames()
    made, ids = scene.at - scene.age, (f"X509SHA256={scene.credential}",)
    return decide(
        CsrFacts(
            csr=Csr(
                name=CSR_NAME,
                pem=pem,
                parsed=parsed,
                unreadable=unreadable,
                username=scene.username,
                groups=scene.groups,
                signer=scene.signer,
                usages=scene.usages,
                expiration_seconds=scene.expiration_seconds,
                created=made,
                credential_ids=ids,
                conditions=scene.conditions,
            ),
            at=scene.at,
            node_exists=scene.node_exists,
            allowed=answer_for(scene.node, asked, scene.sources, at=scene.at).allowed,
            other_nodes=scene.index.others(
                scene.node.name, asked, scene.reserved.shared, scene.written.among(asked)
            ),
            reserved=scene.reserved,
            newest=scene.newest,
            client_certificates=frozenset({CERTIFICATE}),
            node_seen=NodeSeen(
                scene.node.uid,
                scene.node.uid if scene.uid_now is None else scene.uid_now,
                made - timedelta(days=1),
            ),
            key_shown_by=scene.key_shown_by,
            approvals_left=scene.approvals_left,
            standing=judged_credential(scene.credentials, ids, told=True),
            limits=limits,
        )
    )
