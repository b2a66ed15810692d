"""No kubelet may have a loopback address, but for the very ones that the operator lists for a cluster on this machine."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.kube.access import LoopbackKubelets
from kubevouch.kube.resources import Node
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import Claim, NameSource
from kubevouch.policy.decide import Decision, decide
from kubevouch.policy.reserved import reserved_of
from tests.policy.look_at_all_nodes import other_nodes_of
from tests.support.cluster_names import cluster_names
from tests.support.requests import request

from .conftest import NODE, Case

LISTED = ip_address("127.23.88.112")
ANY = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


def asked(address: str, listed: frozenset[IPv4Address | IPv6Address]) -> Decision:
    """A request for that address, which every other source says is this node's."""
    case = Case(
        pem=request(NODE, [NODE], [address]), addresses=(Claim(address, NameSource.SSH_HOST_KEY),)
    )
    facts = case.facts()
    reserved = msgspec.structs.replace(facts.reserved, loopback=listed)
    return decide(msgspec.structs.replace(facts, reserved=reserved))


def test_a_listed_address_is_usable() -> None:
    assert asked(str(LISTED), frozenset({LISTED})).outcome is Outcome.PASS


@pytest.mark.parametrize("address", ["127.0.0.1", "127.23.88.113", "::1", "::ffff:127.23.88.112"])
def test_another_loopback_address_or_the_same_in_other_clothes_is_not(address: str) -> None:
    decision = asked(address, frozenset({LISTED}))
    assert "usable-addresses" in {result.rule for result in decision.held_by}


def test_without_a_list_none_is() -> None:
    decision = asked(str(LISTED), frozenset())
    assert [result.rule for result in decision.held_by] == ["usable-addresses"]


@pytest.mark.parametrize(
    "address", ["169.254.1.1", "224.0.0.1", "::ffff:127.0.0.1", "fe80::1", "0.0.0.0"]
)
def test_a_list_makes_nothing_usable_that_is_no_loopback_address(address: str) -> None:
    """Even if the door that reads the list had let it in."""
    decision = asked(address, frozenset({ip_address(address)}))
    assert "usable-addresses" in {result.rule for result in decision.held_by}


@given(address=ANY, listed=st.frozensets(ANY, max_size=4))
def test_whatever_is_listed_an_unlisted_loopback_address_is_never_usable(
    address: IPv4Address | IPv6Address, listed: frozenset[IPv4Address | IPv6Address]
) -> None:
    loopback = address == ip_address("::1") or str(address).startswith("127.")
    held = {result.rule for result in asked(str(address), listed).held_by}
    if loopback and address not in listed:
        assert "usable-addresses" in held


@pytest.mark.parametrize("source", [NameSource.NODE_STATUS, None])
def test_a_listed_address_still_wants_a_proof(source: NameSource | None) -> None:
    entries = (Claim(str(LISTED), source),) if source else ()
    case = Case(pem=request(NODE, [NODE], [str(LISTED)]), addresses=entries)
    facts = case.facts()
    reserved = msgspec.structs.replace(facts.reserved, loopback=frozenset({LISTED}))
    decision = decide(msgspec.structs.replace(facts, reserved=reserved))
    assert [result.rule for result in decision.held_by] == ["allowed-addresses"]


def nodes_at(address: str) -> list[Node]:
    made = [
        {
            "metadata": {"name": name, "uid": name},
            "status": {"addresses": [{"type": "InternalIP", "address": address}]},
        }
        for name in ("worker-1", "worker-2")
    ]
    return [msgspec.convert(each, Node) for each in made]


def test_a_shared_address_is_no_other_nodes_and_no_api_servers() -> None:
    localhost = ip_address("127.0.0.1")
    listed = LoopbackKubelets(frozenset({localhost}), frozenset({localhost}))
    reserved = reserved_of(
        cluster_names(loopback=listed, own_endpoints={"127.0.0.1": "an API server"}), ()
    )
    assert reserved.endpoint_addresses == {}
    assert other_nodes_of("worker-1", nodes_at("127.0.0.1"), reserved.shared).addresses == {}


def test_a_listed_address_that_is_not_shared_is_the_other_nodes() -> None:
    names = cluster_names(
        loopback=LoopbackKubelets(frozenset({LISTED})),
        own_endpoints={str(LISTED): "an API server"},
    )
    reserved = reserved_of(names, ())
    assert set(reserved.endpoint_addresses) == {LISTED}
    assert (
        other_nodes_of("worker-1", nodes_at(str(LISTED)), reserved.shared).addresses[LISTED].node
        == "worker-2"
    )


def test_what_is_shared_but_not_listed_is_as_if_nothing_were_said() -> None:
    address = ip_address("192.168.88.111")
    listed = LoopbackKubelets(frozenset(), frozenset({address}))
    reserved = reserved_of(
        cluster_names(loopback=listed, own_endpoints={str(address): "an API server"}), ()
    )
    assert set(reserved.endpoint_addresses) == {address}
    assert (
        other_nodes_of("worker-1", nodes_at(str(address)), reserved.shared).addresses[address].node
        == "worker-2"
    )
