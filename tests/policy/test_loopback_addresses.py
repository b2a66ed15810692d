"""No kubelet may have a loopback address, but for the very ones that the operator lists for a cluster on this machine."""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.kube.access import LoopbackKubelets
from kubevouch.policy.claims import Claim, NameSource
from kubevouch.policy.decide import decide
from kubevouch.policy.reserved import reserved_of
from tests.policy.look_at_all_nodes import other_nodes_of
from tests.support.cluster_names import cluster_names
from tests.support.nodes import node
from tests.support.requests import request

from .conftest import NODE, Case

LISTED = ip_address("127.23.88.112")
ANY = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


def held_by(
    address: str,
    listed: Collection[IPv4Address | IPv6Address],
    source: NameSource | None = NameSource.SSH_HOST_KEY,
) -> list[str]:
    """The rules against a request for that address, of which this source says that it is this node's."""
    claims = (Claim(address, source),) if source else ()
    facts = Case(pem=request(NODE, [NODE], [address]), addresses=claims).facts()
    reserved = msgspec.structs.replace(facts.reserved, loopback=frozenset(listed))
    decision = decide(msgspec.structs.replace(facts, reserved=reserved))
    return [result.rule for result in decision.held_by]


def test_a_listed_address_is_usable_and_without_a_list_none_is() -> None:
    assert held_by(str(LISTED), [LISTED]) == []
    assert held_by(str(LISTED), []) == ["usable-addresses"]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.23.88.113", "::1", "::ffff:127.23.88.112"])
def test_another_loopback_address_or_the_same_in_other_clothes_is_not(address: str) -> None:
    assert "usable-addresses" in held_by(address, [LISTED])


@pytest.mark.parametrize(
    "address", ["169.254.1.1", "224.0.0.1", "::ffff:127.0.0.1", "fe80::1", "0.0.0.0"]
)
def test_a_list_makes_nothing_usable_that_is_no_loopback_address(address: str) -> None:
    """Even if the door that reads the list had let it in."""
    assert "usable-addresses" in held_by(address, [ip_address(address)])


@given(address=ANY, listed=st.frozensets(ANY, max_size=4))
def test_whatever_is_listed_an_unlisted_loopback_address_is_never_usable(
    address: IPv4Address | IPv6Address, listed: frozenset[IPv4Address | IPv6Address]
) -> None:
    held = held_by(str(address), listed)
    loopback = address == ip_address("::1") or str(address).startswith("127.")
    if loopback and address not in listed:
        assert "usable-addresses" in held


@pytest.mark.parametrize("source", [NameSource.NODE_STATUS, None])
def test_a_listed_address_still_wants_a_proof(source: NameSource | None) -> None:
    assert held_by(str(LISTED), [LISTED], source) == ["allowed-addresses"]


@pytest.mark.parametrize(
    ("address", "listed", "shared"),
    [("127.0.0.1", True, True), (str(LISTED), True, False), ("192.168.88.111", False, True)],
)
def test_only_a_listed_address_that_is_shared_is_no_other_nodes_and_no_api_servers(
    address: str, listed: bool, shared: bool
) -> None:
    own = frozenset({ip_address(address)})
    loopback = LoopbackKubelets(own if listed else frozenset(), own if shared else frozenset())
    endpoints = {address: "an API server"}
    reserved = reserved_of(cluster_names(loopback=loopback, own_endpoints=endpoints), ())
    nodes = [node(name, address) for name in ("worker-1", "worker-2")]
    others = other_nodes_of("worker-1", nodes, reserved.shared).addresses
    free = listed and shared
    assert set(reserved.endpoint_addresses) == (set() if free else own)
    assert [each.node for each in others.values()] == ([] if free else ["worker-2"])
