"""What the self-test puts before the policy: an honest CSR as the node's kubelet would make it, and each attack on that."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address, ip_network

import msgspec
import pytest

from kubevouch.kube.resources import Node, NodeAddress
from kubevouch.outcome import Outcome
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.reserved import ReservedNames
from kubevouch.policy.selftest import Attack, Scene, SelfTestRow, judged, scene_of, self_test
from kubevouch.policy.selftest_attacks import ATTACKS
from kubevouch.policy.sources.choice import IdentitySources
from kubevouch.policy.sources.configuration import ApproverConfiguration, SourceWord
from kubevouch.policy.sources.new_nodes import NewNodeRule
from kubevouch.policy.sources.pinned import PinnedNode
from kubevouch.policy.sources.recorded import Admitted, RecordedNode
from tests.policy.kubeadm_cluster import NODES, NOW, PINS, RESERVED, WORKER

PINNED = IdentitySources(pins=PINS)
SPARE = "192.168.88.199"


MASTER = next(each for each in NODES if each is not WORKER)


def pins_with(address: str) -> dict[str, PinnedNode]:
    """The pins of both nodes, that of the control plane with this address alone."""
    other = PinnedNode(MASTER.name, MASTER.uid, (MASTER.name,), (address,))
    return {WORKER.name: PINS[WORKER.name], MASTER.name: other}


def scene(
    sources: IdentitySources = PINNED,
    nodes: tuple[Node, ...] = NODES,
    reserved: ReservedNames = RESERVED,
) -> Scene:
    found = scene_of(nodes, sources, reserved, NOW)
    assert found is not None
    return found


def attack(what: str) -> Attack:
    [found] = [each for each in ATTACKS if each.what == what]
    return found


def test_every_attack_has_a_row_of_its_own_with_its_threat_and_what_was_expected() -> None:
    first, *others = self_test(ATTACKS, NODES, PINNED, RESERVED, NOW)
    assert (first.threat, first.attack, first.expected) == (
        "",
        "an honest CSR",
        (HoldReason.PASSES,),
    )
    told = [(each.threat, each.attack, each.expected) for each in others]
    assert told == [(each.threat, each.what, each.expected) for each in ATTACKS]


def test_what_a_cluster_lacks_is_left_out_and_says_so() -> None:
    lacking = Attack("T6", "something", (HoldReason.RESERVED_ADDRESS,), lambda _: None)
    [_, row] = self_test([lacking], NODES, PINNED, RESERVED, NOW)
    why = "left out: this cluster has nothing to attack in this way"
    assert row == SelfTestRow("T6", "something", (HoldReason.RESERVED_ADDRESS,), (), why)
    assert row.as_expected


def test_an_honest_csr_asks_for_what_is_written_down_and_not_for_what_the_node_claims() -> None:
    pin = PinnedNode(WORKER.name, WORKER.uid, (WORKER.name, "spare"), (SPARE,))
    made = scene(IdentitySources(pins={WORKER.name: pin})).template
    assert made.common_name == f"system:node:{WORKER.name}"
    assert made.names == (WORKER.name, "spare")
    assert made.addresses == (ip_address(SPARE),)


def test_an_attack_asks_for_something_besides_or_for_nothing_else() -> None:
    honest = scene()
    more = honest.asking("a", ip_address(SPARE), "b").template
    assert more.names == (*honest.template.names, "a", "b")
    assert more.addresses == (*honest.template.addresses, ip_address(SPARE))
    only = honest.asking("a", ip_address(SPARE), only=True).template
    assert (only.names, only.addresses) == (("a",), (ip_address(SPARE),))


def test_what_is_written_down_for_another_node_is_that_nodes() -> None:
    """Also where no Node claims it, as of one that is down."""
    found = judged(scene(IdentitySources(pins=pins_with(SPARE))).asking(ip_address(SPARE)))
    assert HoldReason.FOREIGN_ADDRESS in {each.reason for each in found.held_by}
    assert f"{SPARE} (of {MASTER.name})" in found.why


def test_an_address_that_several_kubelets_share_is_none_of_theirs_alone() -> None:
    [own] = (each.address for each in WORKER.status.addresses if each.type == "InternalIP")
    sources = IdentitySources(pins=pins_with(own))
    assert judged(scene(sources, NODES)).outcome is Outcome.REFUSE
    shared = msgspec.structs.replace(RESERVED, shared=frozenset({ip_address(own)}))
    assert judged(scene(sources, NODES, shared)).outcome is Outcome.PASS


def test_the_limits_of_the_configuration_count() -> None:
    month = ApproverConfiguration(max_lifetime=timedelta(days=30))
    honest = scene(IdentitySources(month, pins=PINS))
    for days, reasons in {30: [], 31: [HoldReason.LIFETIME_TOO_LONG]}.items():
        found = judged(replace(honest, expiration_seconds=days * 86400))
        assert [each.reason for each in found.held_by] == reasons


@pytest.mark.parametrize(
    ("ago", "got"),
    [
        (timedelta(minutes=10), HoldReason.TOO_MANY_NEW_NODES),
        (timedelta(hours=2), HoldReason.PASSES),
    ],
)
def test_the_rule_for_new_nodes_is_asked_for_the_moment_of_the_test(
    ago: timedelta, got: HoldReason
) -> None:
    rule = NewNodeRule("*-*", (ip_network("0.0.0.0/0"),), per_hour=1)
    words = (SourceWord.PINS, SourceWord.NEW_NODES)
    admitted = Admitted(("w9",), (), NOW - ago, "*-*")
    sources = IdentitySources(
        ApproverConfiguration(sources=words, new_nodes=(rule,)),
        pins=PINS,
        recorded={"w9": RecordedNode("w9", "uid", admitted)},
    )
    [_, row] = self_test([attack("a new node of any name")], NODES, sources, RESERVED, NOW)
    assert got in row.got


def test_the_csr_is_named_where_a_rule_says_what_it_saw() -> None:
    for what in ("half a CSR", "a client certificate that was borrowed with a bootstrap token"):
        [_, row] = self_test([attack(what)], NODES, PINNED, RESERVED, NOW)
        assert "kubevouch-selftest" in row.why


@pytest.mark.parametrize(
    ("network", "asked"),
    {
        "a network of one address": ("10.96.0.1/32", None),
        "of two": ("10.96.0.0/31", "10.96.0.1"),
        "of many": ("fd00::/108", "fd00::1"),
    }.values(),
)
def test_of_a_network_of_services_the_first_services_address_is_asked_for(
    network: str, asked: str | None
) -> None:
    """The network's own number is none, and the first one is that of the Service kubernetes."""
    reserved = ReservedNames(networks={ip_network(network): "Services"})
    made = attack("a Service's address").change(scene(reserved=reserved))
    assert (made and str(made.template.addresses[-1])) == asked


def test_a_node_of_an_attack_looks_like_any_other() -> None:
    """No rule can know it by its form, but only by what nobody has written down."""
    claiming = attack("an address that only the node itself claims").change(scene())
    assert claiming is not None
    address = NodeAddress(type="InternalIP", address="192.0.2.66")
    assert claiming.node.status.addresses == (*WORKER.status.addresses, address)
    new = attack("a new node of any name").change(scene())
    assert new is not None
    name = NodeAddress(type="Hostname", address="kubevouch-selftest-new")
    assert new.node.status.addresses == (name, address)
    assert new.node.uid == "new"  # and not the UID of the Node that it is made from
