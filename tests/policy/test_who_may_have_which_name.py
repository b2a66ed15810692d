"""Each rule by itself: a good request passes, and what differs in one thing is held by the rule that is named."""

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kubevouch.outcome import Outcome
from kubevouch.policy.claims import Claim, ClaimedBy, NameSource
from kubevouch.policy.decide import RULES, decide
from kubevouch.policy.facts import NodeSeen
from tests.support.requests import request

from .conftest import ADDRESS, BORROWED, NODE, NOW, OPEN, OWN, UNKNOWN, Case

CP, CP_ADDRESS = "cp-1.example.com", "192.168.88.111"
CLAIMED = NameSource.NODE_STATUS
CERTIFICATE = "92de7f57cf04dd0ed0c0c07deba73569e7ef6a11559dfe69c536960e058585e0"


def ask(names: list[str], addresses: list[str]) -> Case:
    return Case(pem=request(NODE, names, addresses))


def allowing(case: Case, *values: str, source: NameSource = NameSource.OPERATOR) -> Case:
    """The same CSR where the node may also have these: whatever holds it now is another rule."""
    entries = tuple(Claim(value, source) for value in values)
    numeric = tuple(
        e
        for e in entries
        if e.value.replace(".", "").replace(":", "").isalnum() and e.value[-1].isdigit()
    )
    case.addresses += numeric
    case.names += tuple(e for e in entries if e not in numeric)
    return case


def control_plane(source: NameSource, *, labelled: bool = True) -> Case:
    return Case(
        pem=request(CP, [CP], [CP_ADDRESS]),
        node=CP,
        username=f"system:node:{CP}",
        names=(Claim(CP, source),),
        addresses=(Claim(CP_ADDRESS, source),),
        control_plane=labelled,
    )


GOOD: dict[str, Callable[[], Case]] = {
    "as a kubelet sends it": Case,
    "with key encipherment, as older kubelets sent it": lambda: Case(
        usages=("digital signature", "key encipherment", "server auth")
    ),
    "an address only": lambda: ask([], [ADDRESS]),
    "a subset of what it may have": lambda: allowing(Case(), "10.0.0.7", "worker-1"),
    "a year asked for": lambda: Case(expiration_seconds=365 * 86400),
    "a control-plane node with its own endpoint, pinned": lambda: control_plane(
        NameSource.SSH_HOST_KEY
    ),
    "the node's word, where the operator takes it": lambda: Case(
        addresses=(Claim(ADDRESS, CLAIMED),), trusts_node=True
    ),
    "its own name, which another node merely says is its, too": lambda: Case(
        other_names={NODE: ClaimedBy("worker-3", proven=False)},
    ),
    "an address that two nodes claim, seen to be its own and by the operator's word": lambda: Case(
        addresses=(Claim(ADDRESS, NameSource.SSH_HOST_KEY, confirmed=True),),
        other_addresses={ip_address(ADDRESS): ClaimedBy("worker-3", proven=False)},
    ),
    "made half a minute in the future": lambda: Case(age=-timedelta(seconds=30)),
    "capitals, by the operator's word": lambda: allowing(
        ask([NODE.upper()], [ADDRESS]), NODE.upper()
    ),
    "an IDN, by the operator's word": lambda: allowing(
        ask(["xn--nxasmq6b.example.com"], [ADDRESS]), "xn--nxasmq6b.example.com"
    ),
    "a number at the end, by the operator's word": lambda: Case(
        pem=request(NODE, ["worker-1.dc.2"], [ADDRESS]),
        names=(Claim("worker-1.dc.2", NameSource.OPERATOR),),
    ),
    "a Node named kubernetes.example.com, by the operator's word": lambda: Case(
        pem=request("kubernetes.example.com", ["kubernetes.example.com"], [ADDRESS]),
        node="kubernetes.example.com",
        username="system:node:kubernetes.example.com",
        names=(Claim("kubernetes.example.com", NameSource.NODE_NAME, confirmed=True),),
    ),
    "names only, each by the operator's word": lambda: Case(
        pem=request(NODE, [NODE], []),
        names=(Claim(NODE, NameSource.NODE_NAME, confirmed=True),),
    ),
    "made with the client certificate on the node's disk": lambda: Case(
        credential_ids=(f"X509SHA256={CERTIFICATE}",), client_certificates=frozenset({CERTIFICATE})
    ),
    "made with the one that replaced it": lambda: Case(
        credential_ids=(f"X509SHA256={CERTIFICATE}",),
        client_certificates=frozenset({"0" * 64, CERTIFICATE}),
    ),
    "no survey: whose credential it was is not asked": lambda: Case(
        credential_ids=(f"X509SHA256={'0' * 64}",), client_certificates=None
    ),
    "an API server that does not tell, as the operator accepts": lambda: Case(
        credential_ids=(),
        client_certificates=frozenset({CERTIFICATE}),
        without_credential_id=True,
    ),
    "a Service's external address that is proven to be its own": lambda: Case(external=True),
    "a control-plane node by whose name the API server is reached": lambda: control_plane(
        NameSource.SSH_HOST_KEY
    ),
    "the Node that was there when the CSR was made, and in the same second": lambda: Case(
        node_seen=NodeSeen("uid-1", "uid-1", NOW - timedelta(seconds=5))
    ),
    "a public key that only this node has shown": lambda: Case(key_shown_by=frozenset({NODE})),
    "the last approval that is left": lambda: Case(approvals_left=1),
    "the client certificate with which the node joined": lambda: Case(standing=OWN),
    "a client certificate that was issued before anybody watched": lambda: Case(standing=OPEN),
    "an IPv6 address of its own": lambda: allowing(ask([NODE], ["fd00::112"]), "fd00::112"),
}

HELD: dict[str, tuple[str, Callable[[], Case]]] = {
    "not a request at all": ("canonical", lambda: Case(pem=b"hello")),
    "half a request": ("canonical", lambda: Case(pem=request(NODE, [NODE], [ADDRESS])[:200])),
    "text before the block": (
        "canonical",
        lambda: Case(pem=b"x\n" + request(NODE, [NODE], [ADDRESS])),
    ),
    "a mapped address": ("usable-addresses", lambda: ask([NODE], [f"::ffff:{ADDRESS}"])),
    "a mapped address, as a quirk": ("canonical", lambda: ask([NODE], [f"::ffff:{ADDRESS}"])),
    "another node's address, mapped": (
        "foreign-addresses",
        lambda: ask([NODE], ["::ffff:192.168.88.113"]),
    ),
    "an API server's address, mapped": (
        "reserved-addresses",
        lambda: ask([NODE], [f"::ffff:{CP_ADDRESS}"]),
    ),
    "a flood of bytes": (
        "size",
        lambda: Case(pem=request(NODE, [f"n{i}.example.com" for i in range(500)], [ADDRESS])),
    ),
    "another signer": ("signer", lambda: Case(signer="kubernetes.io/kube-apiserver-client")),
    "a bootstrap token": ("requestor", lambda: Case(username="system:bootstrap:abcdef")),
    "a node's name without the group": (
        "requestor",
        lambda: Case(groups=("system:authenticated",)),
    ),
    "the prefix alone": ("requestor", lambda: Case(username="system:node:")),
    "another node's common name": (
        "subject",
        lambda: Case(pem=request("worker-2.example.com", [NODE], [ADDRESS])),
    ),
    "a second organization": (
        "subject",
        lambda: Case(
            pem=request(NODE, [NODE], [ADDRESS], organizations=("system:nodes", "system:masters"))
        ),
    ),
    "no organization": (
        "subject",
        lambda: Case(pem=request(NODE, [NODE], [ADDRESS], organizations=())),
    ),
    "a node that is gone": ("live-node", lambda: Case(node_exists=False)),
    "client auth": ("usages", lambda: Case(usages=("digital signature", "client auth"))),
    "server and client auth": (
        "usages",
        lambda: Case(usages=("digital signature", "server auth", "client auth")),
    ),
    "no usage": ("usages", lambda: Case(usages=())),
    "an RSA key": (
        "key",
        lambda: Case(
            pem=request(NODE, [NODE], [ADDRESS], key=rsa.generate_private_key(65537, 2048))
        ),
    ),
    "another curve": (
        "key",
        lambda: Case(
            pem=request(NODE, [NODE], [ADDRESS], key=ec.generate_private_key(ec.SECP384R1()))
        ),
    ),
    "ten years": ("lifetime", lambda: Case(expiration_seconds=10 * 365 * 86400)),
    "no address": ("count", lambda: ask([NODE], [])),
    "many names": ("count", lambda: ask([f"a{i}.example.com" for i in range(9)], [ADDRESS])),
    "many addresses": ("count", lambda: ask([NODE], [f"10.0.0.{i}" for i in range(1, 18)])),
    "a wildcard": (
        "plain-names",
        lambda: allowing(ask(["*.example.com"], [ADDRESS]), "*.example.com"),
    ),
    "capitals": ("plain-names", lambda: ask([NODE.upper()], [ADDRESS])),
    "a trailing dot": ("plain-names", lambda: ask([f"{NODE}."], [ADDRESS])),
    "a name of more than 253 characters": (
        "plain-names",
        lambda: ask([".".join(["a" * 63] * 4)], [ADDRESS]),
    ),
    "an underscore": ("plain-names", lambda: ask(["worker_1.example.com"], [ADDRESS])),
    "an IDN": ("plain-names", lambda: ask(["xn--nxasmq6b.example.com"], [ADDRESS])),
    "an address written as a name": ("plain-names", lambda: ask([ADDRESS], [ADDRESS])),
    "kubernetes": (
        "reserved-names",
        lambda: allowing(ask(["kubernetes"], [ADDRESS]), "kubernetes"),
    ),
    "kubernetes.default.svc": (
        "reserved-names",
        lambda: allowing(ask(["kubernetes.default.svc"], [ADDRESS]), "kubernetes.default.svc"),
    ),
    "any Service": (
        "reserved-names",
        lambda: allowing(ask(["shop.prod.svc"], [ADDRESS]), "shop.prod.svc"),
    ),
    "the default domain": ("reserved-names", lambda: ask(["x.cluster.local"], [ADDRESS])),
    "the cluster's own domain": ("reserved-names", lambda: ask(["x.k8s.example.org"], [ADDRESS])),
    "the domain itself": ("reserved-names", lambda: ask(["k8s.example.org"], [ADDRESS])),
    "a load balancer's name": (
        "reserved-names",
        lambda: allowing(ask(["lb.example.com"], [ADDRESS]), "lb.example.com"),
    ),
    "localhost": ("reserved-names", lambda: allowing(ask(["localhost"], [ADDRESS]), "localhost")),
    "the API server's name, of a worker": (
        "reserved-names",
        lambda: allowing(ask([CP], [ADDRESS]), CP),
    ),
    "another node's name": (
        "foreign-names",
        lambda: allowing(ask(["worker-2.example.com"], [ADDRESS]), "worker-2.example.com"),
    ),
    "a name that begins like its own": (
        "allowed-names",
        lambda: ask([f"{NODE}.evil.org"], [ADDRESS]),
    ),
    "a name nobody knows": ("allowed-names", lambda: ask(["vault.example.com"], [ADDRESS])),
    "loopback": ("usable-addresses", lambda: allowing(ask([NODE], ["127.0.0.1"]), "127.0.0.1")),
    "link-local, where metadata services live": (
        "usable-addresses",
        lambda: ask([NODE], ["169.254.169.254"]),
    ),
    "multicast": ("usable-addresses", lambda: ask([NODE], ["224.0.0.1"])),
    "IPv6 loopback": ("usable-addresses", lambda: ask([NODE], ["::1"])),
    "a Service's address": (
        "reserved-addresses",
        lambda: allowing(ask([NODE], ["10.96.0.1"]), "10.96.0.1"),
    ),
    "a virtual address": (
        "reserved-addresses",
        lambda: allowing(ask([NODE], ["192.168.88.250"]), "192.168.88.250"),
    ),
    "the API server's address, of a worker, though pinned": (
        "reserved-addresses",
        lambda: allowing(ask([NODE], [CP_ADDRESS]), CP_ADDRESS),
    ),
    "a control plane's own endpoint that only it claims": (
        "reserved-addresses",
        lambda: control_plane(CLAIMED),
    ),
    "an endpoint pinned to what is no control-plane node": (
        "reserved-addresses",
        lambda: control_plane(NameSource.OPERATOR, labelled=False),
    ),
    "another node's address": (
        "foreign-addresses",
        lambda: allowing(ask([NODE], ["192.168.88.113"]), "192.168.88.113"),
    ),
    "a proven address that is proven to be another's, too": (
        "foreign-addresses",
        lambda: Case(other_addresses={ip_address(ADDRESS): ClaimedBy("worker-3", proven=True)}),
    ),
    "an address that only a flag gives it, and another one claims": (
        "foreign-addresses",
        lambda: Case(
            addresses=(Claim(ADDRESS, NameSource.OPERATOR),),
            other_addresses={ip_address(ADDRESS): ClaimedBy("worker-3", proven=False)},
        ),
    ),
    "an address that it claims and another one, too": (
        "foreign-addresses",
        lambda: Case(
            addresses=(Claim(ADDRESS, CLAIMED),),
            trusts_node=True,
            other_addresses={ip_address(ADDRESS): ClaimedBy("worker-3", proven=False)},
        ),
    ),
    "a Service's external address that it only claims": (
        "reserved-addresses",
        lambda: Case(addresses=(Claim(ADDRESS, CLAIMED),), trusts_node=True, external=True),
    ),
    "another control plane's name, though it is one itself": (
        "reserved-names",
        lambda: Case(
            pem=request("cp-2.example.com", [CP], ["192.168.88.120"]),
            node="cp-2.example.com",
            username="system:node:cp-2.example.com",
            names=(Claim(CP, NameSource.OPERATOR),),
            addresses=(Claim("192.168.88.120", NameSource.SSH_HOST_KEY),),
            control_plane=True,
        ),
    ),
    "an address that two nodes claim, though its host key answers there": (
        "foreign-addresses",
        lambda: Case(
            other_addresses={ip_address(ADDRESS): ClaimedBy("worker-3", proven=False)},
        ),
    ),
    "a proven address of another's, though the operator says so": (
        "foreign-addresses",
        lambda: Case(
            addresses=(Claim(ADDRESS, NameSource.SSH_HOST_KEY, confirmed=True),),
            other_addresses={ip_address(ADDRESS): ClaimedBy("worker-3", proven=True)},
        ),
    ),
    "a number at the end": (
        "plain-names",
        lambda: Case(
            pem=request(NODE, ["worker-1.dc.2"], [ADDRESS]),
            names=(Claim("worker-1.dc.2", NameSource.SSH_HOST_KEY),),
        ),
    ),
    "numbers only, though the operator says so": (
        "plain-names",
        lambda: Case(
            pem=request(NODE, ["1.2.3"], [ADDRESS]), names=(Claim("1.2.3", NameSource.OPERATOR),)
        ),
    ),
    "hexadecimal, though the operator says so": (
        "plain-names",
        lambda: Case(
            pem=request(NODE, ["0x7f.1"], [ADDRESS]), names=(Claim("0x7f.1", NameSource.OPERATOR),)
        ),
    ),
    "a Node named kubernetes.example.com": (
        "plain-names",
        lambda: Case(
            pem=request("kubernetes.example.com", ["kubernetes.example.com"], [ADDRESS]),
            node="kubernetes.example.com",
            username="system:node:kubernetes.example.com",
            names=(Claim("kubernetes.example.com", NameSource.NODE_NAME),),
        ),
    ),
    "kubernetes.default, though the operator says so": (
        "reserved-names",
        lambda: allowing(ask(["kubernetes.default"], [ADDRESS]), "kubernetes.default"),
    ),
    "no name and no address": ("count", lambda: ask([], [])),
    "a stolen identity: another client certificate of the same name": (
        "credential-id",
        lambda: Case(
            credential_ids=(f"X509SHA256={'0' * 64}",),
            client_certificates=frozenset({CERTIFICATE}),
        ),
    ),
    "a token instead of a certificate": (
        "credential-id",
        lambda: Case(
            credential_ids=("JTI=8f0e6c1e",), client_certificates=frozenset({CERTIFICATE})
        ),
    ),
    "two credentials, one of them the node's": (
        "credential-id",
        lambda: Case(
            credential_ids=(f"X509SHA256={CERTIFICATE}", f"X509SHA256={'0' * 64}"),
            client_certificates=frozenset({CERTIFICATE}),
        ),
    ),
    "a Node that was recreated while the CSR waited": (
        "same-node",
        lambda: Case(node_seen=NodeSeen("uid-1", "uid-2", NOW - timedelta(hours=1))),
    ),
    "a Node that was deleted while the CSR waited": (
        "same-node",
        lambda: Case(node_seen=NodeSeen("uid-1", "")),
    ),
    "a Node that is younger than the CSR": (
        "same-node",
        lambda: Case(node_seen=NodeSeen("uid-1", "uid-1", NOW - timedelta(seconds=4))),
    ),
    "a public key that another node has shown": (
        "own-key",
        lambda: Case(key_shown_by=frozenset({NODE, "worker-2.example.com"})),
    ),
    "a flood of CSRs": ("budget", lambda: Case(approvals_left=0)),
    "a client certificate that was borrowed with a bootstrap token": (
        "client-standing",
        lambda: Case(standing=BORROWED),
    ),
    "an address nobody knows": ("allowed-addresses", lambda: ask([NODE], ["192.168.88.77"])),
    "its own and one more": ("allowed-addresses", lambda: ask([NODE], [ADDRESS, "192.168.88.77"])),
    "approved before": ("undecided", lambda: Case(conditions=("Approved",))),
    "denied before": ("undecided", lambda: Case(conditions=("Denied",))),
    "superseded": ("newest", lambda: Case(newest="csr-2")),
    "older than its kubelet": ("fresh", lambda: Case(kubelet_started=NOW - timedelta(seconds=1))),
    "a quarter of an hour old": ("fresh", lambda: Case(age=timedelta(minutes=15))),
}

DOUBTED: dict[str, tuple[str, Callable[[], Case]]] = {
    "whether the Node is there is not known": ("live-node", lambda: Case(node_exists=None)),
    "made in the future": ("fresh", lambda: Case(age=-timedelta(minutes=2))),
    "the API server does not tell which credential it was": (
        "credential-id",
        lambda: Case(credential_ids=(), client_certificates=frozenset({CERTIFICATE})),
    ),
    "no client certificate could be read on the node": (
        "credential-id",
        lambda: Case(
            credential_ids=(f"X509SHA256={CERTIFICATE}",), client_certificates=frozenset()
        ),
    ),
    "a bare CSR, whose credential is not known": (
        "credential-id",
        lambda: Case(credential_ids=None, client_certificates=frozenset({CERTIFICATE})),
    ),
    "when the Node was created is not known": (
        "same-node",
        lambda: Case(node_seen=NodeSeen("uid-1", "uid-1")),
    ),
    "a client certificate that is not known, of a node whose every other one is": (
        "client-standing",
        lambda: Case(standing=UNKNOWN),
    ),
    "no source knows the node": ("allowed-addresses", lambda: Case(known=False)),
    "no source knows the node's names": ("allowed-names", lambda: Case(known=False)),
    "only the node says so": (
        "allowed-addresses",
        lambda: Case(addresses=(Claim(ADDRESS, CLAIMED),)),
    ),
    "only the node names itself so": ("allowed-names", lambda: Case(names=(Claim(NODE, CLAIMED),))),
    "which is the newest is not known": ("newest", lambda: Case(newest=None)),
    "a bare file names no signer": ("signer", lambda: Case(signer=None)),
    "a bare file has no requestor": ("requestor", lambda: Case(username=None)),
    "a bare file names no usages": ("usages", lambda: Case(usages=None)),
}


@pytest.mark.parametrize("case", GOOD.values(), ids=GOOD.keys())
def test_a_good_request_passes_every_rule(case: Callable[[], Case]) -> None:
    decision = case().judged()
    assert decision.held_by == ()
    assert decision.outcome is Outcome.PASS


@pytest.mark.parametrize(("rule", "case"), HELD.values(), ids=HELD.keys())
def test_what_differs_in_one_thing_is_refused_by_the_rule_for_it(
    rule: str, case: Callable[[], Case]
) -> None:
    decision = case().judged()
    assert decision.outcome is Outcome.REFUSE
    assert rule in {r.rule for r in decision.held_by if r.outcome is Outcome.REFUSE}
    for result in decision.held_by:
        assert result.message
        assert result.outcome is Outcome.CANNOT_TELL or result.seen


@pytest.mark.parametrize(("rule", "case"), DOUBTED.values(), ids=DOUBTED.keys())
def test_missing_evidence_is_a_doubt_and_not_a_refusal(rule: str, case: Callable[[], Case]) -> None:
    decision = case().judged()
    assert decision.outcome is Outcome.CANNOT_TELL
    assert rule in {r.rule for r in decision.held_by}


def test_every_rule_has_a_case_that_it_refuses() -> None:
    refusing = {rule for rule, _ in HELD.values()}
    assert refusing == {result.rule for result in Case().judged().results}


@pytest.mark.parametrize(
    "name",
    ["another node's address", "kubernetes.default.svc", "client auth", "a bootstrap token"],
)
def test_without_its_rule_the_hostile_request_would_be_let_through_by_what_remains(
    name: str,
) -> None:
    """Each of these is held by one rule alone: taking it away is seen."""
    rule, case = HELD[name]
    remaining = tuple(r for r in RULES if r(Case().facts()).rule != rule)
    held = {r.rule for r in decide(case().facts(), remaining).held_by}
    assert rule not in held
    assert held <= {"subject", "live-node"}  # who it is hangs on the requestor


def test_a_refusal_stands_before_a_doubt() -> None:
    decision = Case(known=False, usages=("client auth",)).judged()
    assert decision.held_by[0].rule == "usages"


def test_a_flood_of_names_does_not_fill_a_screen() -> None:
    flood = [f"n{i}.example.com" for i in range(2500)]
    results = ask(flood, [ADDRESS]).judged().results
    seen = next(each.seen for each in results if each.rule == "allowed-names")
    assert seen.startswith("n0.example.com, n1.example.com, ")
    assert seen.endswith("n23.example.com and 2476 more")
    assert max(len(text) for each in results for text in (each.seen, each.message)) < 2000


def test_a_rule_that_was_not_asked_says_so_and_holds_nothing() -> None:
    assert Case(client_certificates=None).judged().not_asked == (
        "credential-id",
        "client-standing",
        "own-key",
        "same-node",
        "budget",
    )
    asked = Case(
        credential_ids=(f"X509SHA256={CERTIFICATE}",),
        client_certificates=frozenset({CERTIFICATE}),
        standing=OWN,
        key_shown_by=frozenset(),
        node_seen=NodeSeen("uid-1", "uid-1", NOW - timedelta(days=1)),
        approvals_left=6,
    )
    assert asked.judged().not_asked == ()
