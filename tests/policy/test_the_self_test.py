"""The self-test: each attack is held for the reason that is expected, on a cluster as kubeadm makes it and on odd ones."""

from ipaddress import ip_network
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from kubevouch.kube.resources import Node
from kubevouch.outcome import Outcome
from kubevouch.policy.decide import RULES, decide
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.reserved import ReservedNames
from kubevouch.policy.selftest import Scene, SelfTestRow, judged, scene_of, self_test
from kubevouch.policy.selftest_attacks import ATTACKS
from kubevouch.policy.sources.choice import IdentitySources
from kubevouch.policy.sources.configuration import ApproverConfiguration, SourceWord
from kubevouch.policy.sources.new_nodes import NewNodeRule
from kubevouch.policy.sources.stored import Unreadable
from kubevouch.x509 import CsrTemplate, new_csr
from tests.policy.kubeadm_cluster import NODES, NOW, PINS, RESERVED, WORKER


def rows_of(
    sources: IdentitySources, nodes: tuple[Node, ...] = NODES, reserved: ReservedNames = RESERVED
) -> tuple[SelfTestRow, ...]:
    return self_test(ATTACKS, nodes, sources, reserved, NOW)


def wrong(rows: tuple[SelfTestRow, ...]) -> dict[str, Any]:
    return {each.attack: (each.got, each.why) for each in rows if not each.as_expected}


@pytest.fixture
def rows() -> tuple[SelfTestRow, ...]:
    """Those of a cluster in which every node is pinned."""
    return rows_of(IdentitySources(pins=PINS))


def test_with_every_node_pinned_the_honest_csr_passes_and_each_attack_is_held(
    rows: tuple[SelfTestRow, ...],
) -> None:
    assert wrong(rows) == {}
    assert [each.got for each in rows if each.threat == ""] == [(HoldReason.PASSES,)]
    assert all(each.got and HoldReason.PASSES not in each.got for each in rows if each.threat)
    assert len(rows) == len(ATTACKS) + 1


def test_every_rule_has_an_attack_that_it_refuses() -> None:
    scene = scene_of(NODES, IdentitySources(pins=PINS), RESERVED, NOW)
    assert scene is not None
    changed = [attack.change(scene) for attack in ATTACKS]
    refusing = {
        result.rule
        for each in changed
        if each
        for result in judged(each).results
        if result.outcome is Outcome.REFUSE
    }
    assert refusing == {result.rule for result in judged(scene).results}
    assert len(refusing) == len(RULES)


def test_the_honest_csr_is_that_of_a_worker_which_may_have_one() -> None:
    workers = scene_of(NODES, IdentitySources(pins=PINS), RESERVED, NOW)
    assert workers is not None
    assert workers.node.name == WORKER.name
    only = {name: pin for name, pin in PINS.items() if name != WORKER.name}
    scene = scene_of(NODES, IdentitySources(pins=only), RESERVED, NOW)
    assert scene is not None
    assert [scene.node.name] == list(only)
    none = scene_of(NODES, IdentitySources(), RESERVED, NOW)
    assert none is not None
    assert none.node.name == WORKER.name


def test_where_only_the_node_speaks_for_itself_the_self_test_shows_what_that_lets_through() -> None:
    weak = IdentitySources(ApproverConfiguration(sources=(SourceWord.NODE_STATUS,)))
    found = wrong(rows_of(weak))
    assert set(found) == {"an address that only the node itself claims", "a new node of any name"}
    assert all(got == (HoldReason.PASSES,) for got, _ in found.values())


def test_a_rule_for_new_nodes_that_takes_everything_is_shown_too() -> None:
    rule = NewNodeRule("*-*", (ip_network("0.0.0.0/0"),), per_hour=9)
    lax = IdentitySources(
        ApproverConfiguration(sources=(SourceWord.PINS, SourceWord.NEW_NODES), new_nodes=(rule,)),
        pins=PINS,
    )
    assert set(wrong(rows_of(lax))) == {"a new node of any name"}


def test_where_no_node_is_pinned_only_the_honest_csr_is_not_as_expected() -> None:
    found = wrong(rows_of(IdentitySources()))
    assert set(found) == {"an honest CSR"}
    assert "NodeUnknown" in found["an honest CSR"][1]


def test_with_a_configuration_that_cannot_be_read_nothing_passes() -> None:
    broken = IdentitySources(Unreadable("kubevouch-approver", "[", "YAML was expected"), pins=PINS)
    assert set(wrong(rows_of(broken))) == {"an honest CSR"}


def test_a_cluster_of_one_node_is_attacked_as_well_and_what_it_lacks_is_left_out() -> None:
    alone = rows_of(IdentitySources(pins=PINS), (WORKER,), ReservedNames())
    left_out = {each.attack for each in alone if not each.got}
    assert left_out == {"an API server's address", "a Service's address"}
    assert wrong(alone) == {}


def test_without_a_node_there_is_nobody_to_attack() -> None:
    assert rows_of(IdentitySources(), ()) == ()


def test_a_policy_that_lost_a_rule_fails_its_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = tuple(rule for rule in RULES if rule.__name__ != "foreign_addresses")
    monkeypatch.setattr("kubevouch.policy.selftest.decide", lambda facts: decide(facts, lost))
    found = wrong(rows_of(IdentitySources(pins=PINS)))
    assert set(found) == {"another node's address", "another node's address and no name"}


def test_another_reader_sees_in_a_made_csr_what_was_asked_for() -> None:
    scene = scene_of(NODES, IdentitySources(pins=PINS), RESERVED, NOW)
    assert isinstance(scene, Scene)
    read = x509.load_pem_x509_csr(new_csr(scene.template))
    assert read.is_signature_valid
    assert read.subject.rfc4514_string() == f"CN=system:node:{scene.node.name},O=system:nodes"
    sans = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert tuple(sans.get_values_for_type(x509.DNSName)) == scene.template.names
    assert tuple(sans.get_values_for_type(x509.IPAddress)) == scene.template.addresses
    assert isinstance(read.public_key(), ec.EllipticCurvePublicKey)
    again = x509.load_pem_x509_csr(new_csr(scene.template))
    assert again.public_key() != read.public_key()


def test_of_two_extension_requests_another_reader_takes_the_first() -> None:
    """What makes this attack one: Go, and so the signer, takes the PKCS#9 request."""
    made = new_csr(
        CsrTemplate("system:node:w1", names=("kubernetes.default.svc",), shown_names=("w1",))
    )
    read = x509.load_pem_x509_csr(made)
    assert read.is_signature_valid
    sans = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sans.get_values_for_type(x509.DNSName) == ["w1"]
