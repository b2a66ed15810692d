"""The attacks of the self-test, one a threat of docs/threat-model.md that a policy can stop, and one at least for each rule."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv6Address, ip_address

import msgspec

from kubevouch.kube.resources import NodeAddress
from kubevouch.policy.credentials import NodeCredentials
from kubevouch.policy.csr import NODES_GROUP
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.selftest import CERTIFICATE, VICTIM_ADDRESS, VICTIM_NAME, Attack, Scene
from kubevouch.x509 import KeyKind

_NOBODYS = ip_address("192.0.2.66")
"""An address that is written down for no node (RFC 5737)."""

_FOREIGN = (HoldReason.FOREIGN_ADDRESS,)
_NOT_KNOWN = (
    HoldReason.NODE_UNKNOWN,
    HoldReason.ADDRESS_NOT_ALLOWED,
    HoldReason.TOO_MANY_NEW_NODES,
    HoldReason.SOURCE_UNREADABLE,
)


def _template(scene: Scene, **more: object) -> Scene:
    return replace(scene, template=replace(scene.template, **more))  # type: ignore[arg-type]


def _of_the_api_server(scene: Scene) -> Scene | None:
    found = next(iter(scene.reserved.endpoint_addresses), None)
    return scene.asking(found) if found else None


def _of_a_service(scene: Scene) -> Scene | None:
    network = next(iter(scene.reserved.networks), None)
    return scene.asking(network[1]) if network and network.num_addresses > 1 else None


def _mapped(scene: Scene) -> Scene:
    return scene.asking(IPv6Address(f"::ffff:{VICTIM_ADDRESS}"))


def _claiming_first(scene: Scene) -> Scene:
    """A node writes its own status, so it can claim an address before it asks for it."""
    claim = NodeAddress(type="InternalIP", address=str(_NOBODYS))
    status = msgspec.structs.replace(
        scene.node.status, addresses=(*scene.node.status.addresses, claim)
    )
    node = msgspec.structs.replace(scene.node, status=status)
    return replace(scene, node=node).asking(_NOBODYS)


def _newcomer(scene: Scene) -> Scene:
    """A Node that nobody has ever written down, with an address of its own choice."""
    metadata = msgspec.structs.replace(
        scene.node.metadata, name="kubevouch-selftest-new", uid="new"
    )
    claims = (
        NodeAddress(type="Hostname", address=metadata.name),
        NodeAddress(type="InternalIP", address=str(_NOBODYS)),
    )
    status = msgspec.structs.replace(scene.node.status, addresses=claims)
    node = msgspec.structs.replace(scene.node, metadata=metadata, status=status)
    user = f"system:node:{node.name}"
    fresh = replace(scene, node=node, username=user)
    return _template(fresh, common_name=user, names=(node.name,), addresses=(_NOBODYS,))


ATTACKS: tuple[Attack, ...] = (
    Attack("T1", "the common name of another node", (HoldReason.WRONG_SUBJECT,), lambda s: _template(s, common_name=f"system:node:{VICTIM_NAME}")),
    Attack("T2", "another node's address", _FOREIGN, lambda s: s.asking(VICTIM_ADDRESS)),
    Attack("T3", "another node's address and no name", _FOREIGN, lambda s: s.asking(VICTIM_ADDRESS, only=True)),
    Attack("T4", "another node's name", (HoldReason.FOREIGN_NAME,), lambda s: s.asking(VICTIM_NAME)),
    Attack("T4", "a name that begins like its own", (HoldReason.NAME_NOT_ALLOWED, HoldReason.NODE_UNKNOWN, HoldReason.TOO_MANY_NEW_NODES, HoldReason.SOURCE_UNREADABLE), lambda s: s.asking(f"{s.node.name}.example.org")),
    Attack("T5", "kubernetes.default.svc", (HoldReason.RESERVED_NAME,), lambda s: s.asking("kubernetes.default.svc")),
    Attack("T5", "localhost", (HoldReason.RESERVED_NAME,), lambda s: s.asking("localhost")),
    Attack("T6", "an API server's address", (HoldReason.RESERVED_ADDRESS,), _of_the_api_server),
    Attack("T6", "a Service's address", (HoldReason.RESERVED_ADDRESS,), _of_a_service),
    Attack("T6", "a loopback address", (HoldReason.ADDRESS_NOT_USABLE,), lambda s: s.asking(ip_address("127.0.0.53"))),
    Attack("T6", "the address of metadata services", (HoldReason.ADDRESS_NOT_USABLE,), lambda s: s.asking(ip_address("169.254.169.254"))),
    Attack("T7", "a wildcard", (HoldReason.NAME_NOT_PLAIN,), lambda s: s.asking("*.example.org")),
    Attack("T8", "a URI", (HoldReason.NOT_CANONICAL,), lambda s: _template(s, uris=("spiffe://cluster/node",))),
    Attack("T9", "a flood of names", (HoldReason.TOO_MANY_NAMES,), lambda s: s.asking(*(f"n{i}.example.org" for i in range(40)))),
    Attack("T9", "a flood of bytes", (HoldReason.TOO_LARGE,), lambda s: s.asking(*(f"n{i}.example.org" for i in range(900)))),
    Attack("T10", "an RSA key", (HoldReason.WRONG_KEY,), lambda s: _template(s, key_kind=KeyKind.RSA_2048)),
    Attack("T11", "a client certificate", (HoldReason.WRONG_USAGES,), lambda s: replace(s, usages=("digital signature", "client auth"))),
    Attack("T11", "the group system:masters", (HoldReason.WRONG_SUBJECT,), lambda s: _template(s, organizations=(NODES_GROUP, "system:masters"))),
    Attack("T11", "another signer", (HoldReason.WRONG_SIGNER,), lambda s: replace(s, signer="kubernetes.io/kube-apiserver-client")),
    Attack("T12", "ten years", (HoldReason.LIFETIME_TOO_LONG,), lambda s: replace(s, expiration_seconds=3650 * 86400)),
    Attack("T13", "a flood of CSRs", (HoldReason.OVER_BUDGET,), lambda s: replace(s, approvals_left=0)),
    Attack("T13", "a CSR that its kubelet has replaced", (HoldReason.SUPERSEDED,), lambda s: replace(s, newest="another")),
    Attack("T15", "another node's key", (HoldReason.KEY_OF_ANOTHER_NODE,), lambda s: replace(s, key_shown_by=frozenset({VICTIM_NAME}))),
    Attack("T15", "a CSR from yesterday", (HoldReason.TOO_OLD,), lambda s: replace(s, age=timedelta(days=1))),
    Attack("T15", "a CSR that was denied", (HoldReason.ALREADY_DECIDED,), lambda s: replace(s, conditions=("Denied",))),
    Attack("T16", "a bootstrap token", (HoldReason.NOT_A_NODE,), lambda s: replace(s, username="system:bootstrap:abcdef", groups=("system:bootstrappers",))),
    Attack("T16", "a node's user without its group", (HoldReason.NOT_A_NODE,), lambda s: replace(s, groups=("system:authenticated",))),
    Attack("T17", "an address that only the node itself claims", (HoldReason.ADDRESS_NOT_ALLOWED, *_NOT_KNOWN), _claiming_first),
    Attack("T19", "a Node that is gone", (HoldReason.NO_SUCH_NODE,), lambda s: replace(s, node_exists=False)),
    Attack("T19", "a Node that was recreated meanwhile", (HoldReason.NODE_REPLACED,), lambda s: replace(s, uid_now="another")),
    Attack("T20", "a new node of any name", _NOT_KNOWN, _newcomer),
    Attack("T25", "half a CSR", (HoldReason.UNREADABLE,), lambda s: replace(s, respelled=lambda pem: pem[: len(pem) // 2])),
    Attack("T25", "no name and no address", (HoldReason.NOTHING_ASKED,), lambda s: s.asking(only=True)),
    Attack("T28", "two extension requests, the first of them harmless", (HoldReason.NOT_CANONICAL,), lambda s: _template(s, shown_names=(s.node.name,))),
    Attack("T28", "text around the PEM block", (HoldReason.NOT_CANONICAL,), lambda s: replace(s, respelled=lambda pem: b"Hello\n" + pem)),
    Attack("T29", "an IPv4 address in IPv6 clothes", (HoldReason.ADDRESS_NOT_USABLE,), _mapped),
    Attack("T32", "a client certificate that is not on the node's disk", (HoldReason.OTHER_CREDENTIAL,), lambda s: replace(s, credential="0f" * 32)),
    Attack("T32", "a client certificate that was borrowed with a bootstrap token", (HoldReason.BORROWED_IDENTITY,), lambda s: replace(s, credentials=NodeCredentials(borrowed=(CERTIFICATE,)))),
    Attack("T43", "a client certificate that was got while the Node was deleted", (HoldReason.EARLIER_NODE,), lambda s: replace(s, credentials=NodeCredentials(earlier=s.at))),
)  # fmt: skip
