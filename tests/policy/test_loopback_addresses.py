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
from kubevouch.policy.facts import listed
from kubevouch.policy.reserved import ReservedNames, reserved_of
from kubevouch.policy.rules.usable import malformed, unusable, unusual
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


# Forms of names and addresses, word for word; and how many values are shown at most.


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "0 characters"),
        ("a", None),
        (".".join(["a" * 63] * 3 + ["a" * 61]), None),
        (".".join(["a" * 63] * 3 + ["a" * 62]), "254 characters"),
        ("a" * 63, None),
        ("a" * 64, "not an RFC 1123 name"),
        ("*.example.com", "a wildcard"),
        ("a*", "a wildcard"),
        ("a..b", "not an RFC 1123 name"),
        ("-a", "not an RFC 1123 name"),
        ("a-", "not an RFC 1123 name"),
        ("worker_1", "not an RFC 1123 name"),
        ("10.0.0.1", "an address, not a name"),
        ("1.2", "an address, not a name"),
        ("0x7f.0X1", "an address, not a name"),
        ("1.a", None),
        ("a.1", None),
    ],
)
def test_no_host_can_have_such_a_name(name: str, why: str | None) -> None:
    assert malformed(name) == why


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("worker-1.example.com", None),
        ("a.Example.com", "capital letters"),
        ("a.xn--b.com", "an internationalized name"),
        ("axn--b.com", None),
        ("worker-1.2", "ends in a number, like an address"),
        ("worker-1.0x2", "ends in a number, like an address"),
        ("1.worker", None),
        ("kubernetes.example.com", "begins like the API server's name"),
        ("a.kubernetes.example.com", None),
    ],
)
def test_a_name_may_be_taken_for_something_else(name: str, why: str | None) -> None:
    assert unusual(name) == why


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("0.0.0.1", "this network"),
        ("1.0.0.0", None),
        ("127.0.0.1", "loopback"),
        ("128.0.0.0", None),
        ("169.254.0.0", "link-local"),
        ("224.0.0.1", "multicast"),
        ("240.0.0.1", "reserved, broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::2", None),
        ("::ffff:10.0.0.1", "an IPv4 address inside an IPv6 address"),
        ("64:ff9b::1", "an IPv4 address inside an IPv6 address"),
        ("fe80::1", "link-local"),
        ("fec0::1", None),
        ("ff02::1", "multicast"),
        ("fd00::1", None),
        ("127.1.1.1", None),
    ],
)
def test_no_node_is_reached_at_such_an_address(address: str, why: str | None) -> None:
    listed_here = frozenset({ip_address("127.1.1.1"), ip_address("169.254.0.0")})
    assert unusable(ip_address(address), ReservedNames(loopback=listed_here)) == why


def test_of_many_values_the_first_24_are_shown_and_how_many_more() -> None:
    assert listed(()) == "none"
    assert listed(("a", 1)) == "a, 1"
    assert listed(range(24)).endswith(", 22, 23")
    assert listed(range(25)).endswith(", 22, 23 and 1 more")
