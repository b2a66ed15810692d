"""From evidence to what the rules are asked: who else has which name, and what is reserved. Pure."""

from collections.abc import Iterable
from datetime import datetime
from ipaddress import ip_address

from kubevouch.evidence.names import ClusterNames
from kubevouch.evidence.policy_evidence import Registry
from kubevouch.kube.resources import CertificateSigningRequest, Node
from kubevouch.policy.addresses import plainest
from kubevouch.policy.identity import requestor_node
from kubevouch.policy.question import (
    Address,
    Allowance,
    Entry,
    Others,
    Owner,
    Question,
    Request,
    Reserved,
    Source,
)
from kubevouch.x509 import X509Error, read_request


def question_of(
    request: Request,
    registry: Registry,
    *,
    at: datetime,
    allowance: Allowance | None,
    pinned: Iterable[tuple[str, Entry]] = (),
    kubelet_started: datetime | None = None,
) -> Question:
    """The question about one request, with all that the registry tells about it."""
    node = requestor_node(request)
    nodes = registry.nodes.value
    reserved = reserved_of(registry.names)
    return Question(
        request=request,
        at=at,
        node_exists=None if nodes is None else any(each.name == node for each in nodes),
        allowance=allowance,
        others=None if nodes is None else others_of(node or "", nodes, reserved, pinned),
        reserved=reserved,
        newest=newest_of(registry.requests.or_else(()), request.username),
        kubelet_started=kubelet_started,
    )


def newest_of(requests: Iterable[CertificateSigningRequest], username: str | None) -> str | None:
    """The newest serving request of a user, of requests sorted oldest first."""
    names = [each.name for each in requests if each.spec.username == username]
    return names[-1] if names else None


def request_of(found: CertificateSigningRequest) -> Request:
    """A request of the API server, parsed as far as it can be."""
    parsed, unreadable = None, ""
    try:
        parsed = read_request(found.spec.request, found.name)
    except X509Error as error:
        unreadable = str(error)
    return Request(
        name=found.name,
        pem=found.spec.request,
        parsed=parsed,
        unreadable=unreadable,
        username=found.spec.username,
        groups=found.spec.groups,
        signer=found.spec.signer_name,
        usages=found.spec.usages,
        expiration_seconds=found.spec.expiration_seconds,
        created=found.metadata.creation_timestamp,
        conditions=tuple(each.type for each in found.status.conditions),
    )


def bare_request(name: str, pem: bytes) -> Request:
    """A request in a file: without the object around it there is no requestor, signer or usage."""
    parsed, unreadable = None, ""
    try:
        parsed = read_request(pem, name)
    except X509Error as error:
        unreadable = str(error)
    return Request(name=name, pem=pem, parsed=parsed, unreadable=unreadable)


def as_address(text: str) -> Address | None:
    """An address in its plainest form, or None for what is a name."""
    try:
        return plainest(ip_address(text))
    except ValueError:
        return None


def others_of(
    node: str,
    nodes: Iterable[Node],
    reserved: Reserved,
    pinned: Iterable[tuple[str, Entry]] = (),
) -> Others:
    """What all nodes but this one have: a Node's own name and what is pinned are proven, the rest they say themselves.

    pinned: (node, entry) that a plan or an operator gives to others.
    """
    found = tuple(nodes)
    claims = [
        (each.name, claim.address, False) for each in found for claim in each.status.addresses
    ]
    claims += [(each.name, each.name, True) for each in found]
    claims += [(owner, entry.value, entry.source.is_proof) for owner, entry in pinned]
    names: dict[str, Owner] = {}
    addresses: dict[Address, Owner] = {}
    for owner, value, proven in claims:
        if owner == node or not value:
            continue
        address = as_address(value)
        if address is None:
            if proven or value.lower() not in names:
                names[value.lower()] = Owner(owner, proven)
        elif address in reserved.shared:
            continue
        elif proven or address not in addresses:
            addresses[address] = Owner(owner, proven)
    return Others(names=names, addresses=addresses)


def reserved_of(cluster: ClusterNames) -> Reserved:
    """The cluster's own names and addresses."""
    names, addresses = _split(cluster.virtual)
    _, endpoints = _split(cluster.own_endpoints)
    _, external = _split(cluster.external)
    shared = cluster.loopback.shared & cluster.loopback.addresses
    return Reserved(
        names=names,
        suffixes={f".{cluster.domain}": "the cluster's own domain"},
        addresses=addresses,
        networks=dict.fromkeys(cluster.service_networks, "a Service"),
        external_addresses=external,
        endpoint_addresses={a: what for a, what in endpoints.items() if a not in shared},
        loopback=cluster.loopback.addresses,
        shared=shared,
        doubts=tuple(doubt.text for doubt in cluster.doubts),
    )


def _split(values: dict[str, str]) -> tuple[dict[str, str], dict[Address, str]]:
    names: dict[str, str] = {}
    addresses: dict[Address, str] = {}
    for value, what in values.items():
        address = as_address(value)
        if address is None:
            names[value.lower().rstrip(".")] = what
        else:
            addresses[address] = what
    return names, addresses


def claimed_entries(node: Node) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Names and addresses as the Node object has them; its own name is the only one it cannot have chosen later."""
    names: dict[str, Source] = {}
    addresses: dict[str, Source] = {}
    for claim in node.status.addresses:
        address = as_address(claim.address)
        if address is not None:
            addresses.setdefault(str(address), Source.NODE_STATUS)
        elif claim.address:
            own = claim.address == node.name
            names[claim.address] = Source.NODE_NAME if own else Source.NODE_STATUS
    return (
        tuple(Entry(value, source) for value, source in names.items()),
        tuple(Entry(value, source) for value, source in addresses.items()),
    )
