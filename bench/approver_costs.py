"""What one decision costs, by plain values and without any I/O: parsing, each rule, and how it grows with the cluster."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import msgspec
from cryptography import x509

from bench.pairs import alone, calls, report
from kubevouch.approve.decide.look import look
from kubevouch.approve.decide.view import ClusterView
from kubevouch.approve.decide.waiting import WaitingCsr
from kubevouch.evidence.names import ClusterNames
from kubevouch.kube.access import LoopbackKubelets
from kubevouch.kube.resources import CertificateSigningRequest, ConfigMap, Node
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import OtherNodes
from kubevouch.policy.csr import asked_of, csr_of
from kubevouch.policy.decide import RULES, decide
from kubevouch.policy.facts import CsrFacts, NodeSeen
from kubevouch.policy.sources.choice import answer_for
from kubevouch.policy.sources.nodes import PINS, PinnedNode, written_pin
from kubevouch.policy.sources.stored import shard_of
from tests.support.requests import request

_FIRST = ip_address("172.20.0.1")
_NOW = datetime.now(UTC)
_NAMES = ClusterNames(
    own_endpoints={"192.168.88.111": "an API server"},
    virtual={"10.96.0.1": "Service default/kubernetes"},
    external={},
    services={f"web-{n}.shop-{n % 20}": f"Service shop-{n % 20}/web-{n}" for n in range(300)},
    service_networks=(ip_network("10.96.0.0/12"),),
    pod_networks=(ip_network("10.244.0.0/16"),),
    domains=("cluster.local",),
    doubts=(),
    loopback=LoopbackKubelets(),
)


def main(nodes: int) -> None:
    """Prints them. nodes: of the cluster that is asked about; the last lines compare it with one of five times as many."""
    view, waiting = _seen(nodes, csrs=50)
    facts = _facts(view, waiting)
    spent = 0.0
    for rule in RULES:
        cost = calls(lambda rule=rule: rule(facts), seconds=0.1)  # type: ignore[misc]
        spent += cost
        alone(f"rule {rule.__name__.replace('_', '-')}", 1e6 * cost, "us")
    alone("all rules, one by one", 1e6 * spent, "us", f"{len(RULES)} rules")
    found = _csr(nodes, _node(nodes))
    pem = found.spec.request
    report(
        "CSR: parse it all, signature and canonical form",
        1e6 * calls(lambda: csr_of(found)),
        "cryptography, signature",
        1e6 * calls(lambda: x509.load_pem_x509_csr(pem).is_signature_valid),
        "us",
    )
    _compared(view, waiting, *_seen(5 * nodes, csrs=50), nodes)


def _compared(
    view: ClusterView, waiting: WaitingCsr, large: ClusterView, there: WaitingCsr, nodes: int
) -> None:
    """Looks in a cluster, beside looks in one that is five times as large."""

    def whole(view: ClusterView, waiting: WaitingCsr) -> float:
        live, reserved = view.nodes[waiting.node or ""], view.reserved(0)
        assert reserved is not None
        at = _NOW + timedelta(seconds=1)
        return calls(lambda: look(view, waiting, view.read(waiting), live, reserved, at=at))

    def others(view: ClusterView, waiting: WaitingCsr) -> float:
        asked = asked_of(view.read(waiting))
        assert asked is not None
        written = view.sources.written
        return calls(lambda: view.index.others(waiting.node or "", asked, (), written.among(asked)))

    for what, cost in (("a whole look", whole), ("  what others have of what it asks for", others)):
        peer = f"the same among {5 * nodes}"
        ours, theirs = 1e6 * cost(view, waiting), 1e6 * cost(large, there)
        report(f"{what}, {nodes} nodes and pins", ours, peer, theirs, "us")


def _seen(nodes: int, *, csrs: int) -> tuple[ClusterView, WaitingCsr]:
    """A view of so many pinned nodes, and the last of the CSRs that wait."""
    view = ClusterView()
    view.set_names(_NAMES)
    shards: dict[str, dict[str, str]] = {}
    made = [_node(number) for number in range(nodes)]
    for number, node in enumerate(made):
        view.put_node(node)
        pin = PinnedNode(
            node.name, node.uid, (node.name,), (str(_FIRST + number),), pinned_at=_NOW, by="bench"
        )
        shards.setdefault(shard_of(PINS, node.name), {})[node.name] = written_pin(pin)
    for name, data in shards.items():
        view.sources.put(
            msgspec.convert({"metadata": {"name": name}, "data": data}, type=ConfigMap)
        )
    view.begin()
    seen = [view.put_serving_csr(_csr(number, node)) for number, node in enumerate(made[:csrs])]
    assert isinstance(seen[-1], WaitingCsr)
    return view, seen[-1]


def _facts(view: ClusterView, waiting: WaitingCsr) -> CsrFacts:
    """All of them, so that every rule has something to look at."""
    live, csr, reserved = view.nodes[waiting.node or ""], view.read(waiting), view.reserved(0)
    asked = asked_of(csr)
    assert asked is not None
    assert reserved is not None
    facts = CsrFacts(
        csr=csr,
        at=_NOW + timedelta(seconds=1),
        node_exists=True,
        allowed=answer_for(live, asked, view.sources.current, at=_NOW).allowed,
        other_nodes=OtherNodes(),
        reserved=reserved,
        newest=csr.name,
        node_seen=NodeSeen(live.uid, live.uid, live.metadata.creation_timestamp),
        key_shown_by=view.keys.shown_by(csr),
        approvals_left=6,
    )
    assert decide(facts).outcome is Outcome.PASS, decide(facts).why
    return facts


def _node(number: int) -> Node:
    name = f"bench-{number}.example.com"
    return msgspec.convert(
        {
            "metadata": {
                "name": name,
                "uid": f"uid-{number}",
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {"podCIDRs": [f"10.{128 + number // 250}.{number % 250}.0/24"]},
            "status": {
                "addresses": [
                    {"type": "InternalIP", "address": str(_FIRST + number)},
                    {"type": "Hostname", "address": name},
                ]
            },
        },
        type=Node,
    )


def _csr(number: int, node: Node) -> CertificateSigningRequest:
    pem = request(node.name, [node.name], [str(_FIRST + number)])
    return msgspec.convert(
        {
            "metadata": {
                "name": f"csr-{number}",
                "uid": f"csr-uid-{number}",
                "creationTimestamp": _NOW,
            },
            "spec": {
                "request": b64encode(pem).decode(),
                "signerName": "kubernetes.io/kubelet-serving",
                "usages": ["digital signature", "server auth"],
                "username": f"system:node:{node.name}",
                "groups": ["system:nodes", "system:authenticated"],
                "extra": {
                    "authentication.kubernetes.io/credential-id": [f"X509SHA256={number:064x}"]
                },
            },
        },
        type=CertificateSigningRequest,
    )
