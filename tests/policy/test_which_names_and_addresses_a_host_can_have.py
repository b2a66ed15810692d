"""Forms of names and addresses, word for word; and how many values are shown at most."""

from ipaddress import ip_address

import pytest

from kubevouch.policy.facts import listed
from kubevouch.policy.reserved import ReservedNames
from kubevouch.policy.rules.usable import malformed, unusable, unusual


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
