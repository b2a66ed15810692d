"""The whole answer of each rule about names and addresses: outcome, reason, message, what it saw, what it would allow.

Each answer is written by hand from what docs/policy.md says of the rule.
"""

from collections.abc import Callable
from ipaddress import ip_address

import msgspec
import pytest

from kubevouch.outcome import Outcome
from kubevouch.policy import form, ownership
from kubevouch.policy.claims import AllowedNames, Claim, ClaimedBy, NameSource, OtherNodes
from kubevouch.policy.facts import EntitlementFacts
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.reserved import ReservedNames
from kubevouch.policy.rule import NameRule, RuleResult
from kubevouch.policy.usable import plain_names, usable_addresses
from tests.support.requests import request

from .conftest import ADDRESS, NODE, Case, doubts, holds, lets_through

OTHER, OTHER_ADDRESS = "worker-2.example.com", "192.168.88.113"
COUNTED = "at most 8 DNS, 1 to 16 IP"
PLAIN = "lower-case RFC 1123 names"
UNREADABLE = "the CSR cannot be read"
NO_NODES = "the nodes of the cluster could not be read"
OWN_NAME = f"{NODE} (the name of its Node object)"
OWN_ADDRESS = f"{ADDRESS} (its ssh host key answered there)"
CLAIMED = NameSource.NODE_STATUS
NO_OTHERS, NOTHING_RESERVED = OtherNodes(), ReservedNames()


def ask(dns: list[str], ips: list[str], **more: object) -> Case:
    return Case(pem=request(NODE, dns, ips), **more)  # type: ignore[arg-type]


def seen_by(name: str, **more: object) -> Case:
    """A request for that name alone, besides the node's address."""
    return ask([name], [ADDRESS], **more)


ADVISED = "this node may have it only if that is proven, or by the operator's word"

ANSWERS: dict[str, tuple[NameRule, Callable[[], Case], RuleResult]] = {
    "one of each": (form.count, Case, lets_through("count", "1 DNS, 1 IP", COUNTED)),
    "as many as may be": (
        form.count,
        lambda: ask([f"n{i}" for i in range(8)], [f"10.0.0.{i}" for i in range(16)]),
        lets_through("count", "8 DNS, 16 IP", COUNTED),
    ),
    "a name too many": (
        form.count,
        lambda: ask([f"n{i}" for i in range(9)], [ADDRESS]),
        holds(
            "count",
            HoldReason.TOO_MANY_NAMES,
            "more names or addresses than any node has",
            "9 DNS, 1 IP",
            COUNTED,
            hard=True,
        ),
    ),
    "an address too many": (
        form.count,
        lambda: ask([], [f"10.0.0.{i}" for i in range(17)]),
        holds(
            "count",
            HoldReason.TOO_MANY_NAMES,
            "more names or addresses than any node has",
            "0 DNS, 17 IP",
            COUNTED,
            hard=True,
        ),
    ),
    "nothing at all": (
        form.count,
        lambda: ask([], []),
        holds(
            "count",
            HoldReason.NOTHING_ASKED,
            "kubelets ask for at least one address, unless AllowDNSOnlyNodeCSR is on",
            "0 DNS, 0 IP",
            COUNTED,
            hard=True,
        ),
    ),
    "two names, one of them by the operator's word": (
        form.count,
        lambda: ask(["alias", NODE], [], names=(Claim("alias", NameSource.OPERATOR),)),
        holds(
            "count",
            HoldReason.NOTHING_ASKED,
            "kubelets ask for at least one address, unless AllowDNSOnlyNodeCSR is on",
            "2 DNS, 0 IP",
            COUNTED,
            NODE,
        ),
    ),
    "names only, of a node that nobody knows": (
        form.count,
        lambda: ask([NODE], [], known=False),
        holds(
            "count",
            HoldReason.NOTHING_ASKED,
            "kubelets ask for at least one address, unless AllowDNSOnlyNodeCSR is on",
            "1 DNS, 0 IP",
            COUNTED,
            NODE,
        ),
    ),
    "names that cannot be counted": (
        form.count,
        lambda: Case(pem=b"hello"),
        doubts("count", UNREADABLE, HoldReason.UNREADABLE),
    ),
    "a plain name": (plain_names, Case, lets_through("plain-names", NODE, PLAIN)),
    "no plain name": (
        plain_names,
        lambda: ask(["*.example.com", NODE, "a_b"], [ADDRESS]),
        holds(
            "plain-names",
            HoldReason.NAME_NOT_PLAIN,
            "no node has such a name",
            "'*.example.com' (a wildcard), 'a_b' (not an RFC 1123 name)",
            PLAIN,
            hard=True,
        ),
    ),
    "unusual names": (
        plain_names,
        lambda: ask(["Worker-1", NODE, "worker-1.2"], [ADDRESS]),
        holds(
            "plain-names",
            HoldReason.NAME_NOT_PLAIN,
            "not every program reads such a name in the same way; it needs the operator's word",
            "'Worker-1' (capital letters), 'worker-1.2' (ends in a number, like an address)",
            PLAIN,
            "Worker-1",
            "worker-1.2",
        ),
    ),
    "an unusual name of a node that nobody knows": (
        plain_names,
        lambda: seen_by("xn--a", known=False),
        holds(
            "plain-names",
            HoldReason.NAME_NOT_PLAIN,
            "not every program reads such a name in the same way; it needs the operator's word",
            "'xn--a' (an internationalized name)",
            PLAIN,
            "xn--a",
        ),
    ),
    "names that cannot be read": (
        plain_names,
        lambda: Case(pem=b"hello"),
        doubts("plain-names", UNREADABLE, HoldReason.UNREADABLE),
    ),
    "a usable address": (usable_addresses, Case, lets_through("usable-addresses", ADDRESS)),
    "two addresses that are not usable": (
        usable_addresses,
        lambda: ask([], ["127.0.0.1", ADDRESS, "fe80::1"]),
        holds(
            "usable-addresses",
            HoldReason.ADDRESS_NOT_USABLE,
            "no node is reached at such an address",
            "127.0.0.1 (loopback), fe80::1 (link-local)",
            "unicast addresses in their plain form",
        ),
    ),
    "addresses that cannot be read": (
        usable_addresses,
        lambda: Case(pem=b"hello"),
        doubts("usable-addresses", UNREADABLE, HoldReason.UNREADABLE),
    ),
    "no name of the cluster": (ownership.reserved_names, Case, lets_through("reserved-names", NODE)),
    "two names of the cluster": (
        ownership.reserved_names,
        lambda: ask(["lb.example.com", NODE, "shop.prod.svc"], []),
        holds(
            "reserved-names",
            HoldReason.RESERVED_NAME,
            "names of the cluster itself are never a kubelet's",
            "lb.example.com (a load balancer), shop.prod.svc (a Service)",
            "none of the cluster's own names",
            hard=True,
        ),
    ),
    "no address of the cluster": (
        ownership.reserved_addresses,
        Case,
        lets_through("reserved-addresses", ADDRESS),
    ),
    "two addresses of the cluster": (
        ownership.reserved_addresses,
        lambda: ask([], ["10.96.0.1", ADDRESS, "192.168.88.250"]),
        holds(
            "reserved-addresses",
            HoldReason.RESERVED_ADDRESS,
            "addresses of the cluster itself are never a kubelet's",
            "10.96.0.1 (Services), 192.168.88.250 (a virtual address)",
            "none of the cluster's own addresses",
            hard=True,
        ),
    ),
    "a Service's external address, which the node claims": (
        ownership.reserved_addresses,
        lambda: Case(addresses=(Claim(ADDRESS, CLAIMED),), external=True),
        holds(
            "reserved-addresses",
            HoldReason.RESERVED_ADDRESS,
            ADVISED,
            f"{ADDRESS} (Service shop/web)",
            "none of the cluster's own addresses",
            ADDRESS,
        ),
    ),
    "cluster names that cannot be compared": (
        ownership.reserved_names,
        lambda: Case(pem=b"hello"),
        doubts("reserved-names", UNREADABLE, HoldReason.UNREADABLE),
    ),
    "no other node's name": (ownership.foreign_names, Case, lets_through("foreign-names", NODE)),
    "another node's name": (
        ownership.foreign_names,
        lambda: seen_by(OTHER.upper()),
        holds(
            "foreign-names",
            HoldReason.FOREIGN_NAME,
            "another node has it, or claims it",
            f"{OTHER.upper()} (of worker-2)",
            "no other node's names",
        ),
    ),
    "another node's name of a node that nobody knows": (
        ownership.foreign_names,
        lambda: seen_by("shared", known=False, other_names={"shared": ClaimedBy("w3", proven=False)}),
        holds(
            "foreign-names",
            HoldReason.FOREIGN_NAME,
            "another node has it, or claims it",
            "shared (of w3)",
            "no other node's names",
        ),
    ),
    "foreign names that cannot be compared": (
        ownership.foreign_names,
        lambda: Case(pem=b"hello"),
        doubts("foreign-names", UNREADABLE, HoldReason.UNREADABLE),
    ),
    "no other node's address": (
        ownership.foreign_addresses,
        Case,
        lets_through("foreign-addresses", ADDRESS),
    ),
    "two other nodes' addresses, behind its own": (
        ownership.foreign_addresses,
        lambda: ask(
            [],
            [ADDRESS, OTHER_ADDRESS, "10.0.0.7"],
            other_addresses={ip_address("10.0.0.7"): ClaimedBy("w3", proven=False)},
        ),
        holds(
            "foreign-addresses",
            HoldReason.FOREIGN_ADDRESS,
            "another node has it, or claims it",
            f"{OTHER_ADDRESS} (of worker-2), 10.0.0.7 (of w3)",
            "no other node's addresses",
        ),
    ),
    "an address that is pinned to another node": (
        ownership.foreign_addresses,
        lambda: Case(other_addresses={ip_address(ADDRESS): ClaimedBy("w3", proven=True, by_pin=True)}),
        holds(
            "foreign-addresses",
            HoldReason.FOREIGN_ADDRESS,
            "the pin of w3 has it",
            f"{ADDRESS} (of w3)",
            "no other node's addresses",
        ),
    ),
    "an address that two nodes claim": (
        ownership.foreign_addresses,
        lambda: Case(other_addresses={ip_address(ADDRESS): ClaimedBy("w3", proven=False)}),
        holds(
            "foreign-addresses",
            HoldReason.CONTESTED_ADDRESS,
            "two nodes claim it, and whoever answers there may be the wrong one; it needs the operator's word",
            f"{ADDRESS} (of w3)",
            "addresses that one node claims",
            ADDRESS,
        ),
    ),
    "its own name": (ownership.allowed_names, Case, lets_through("allowed-names", NODE, OWN_NAME)),
    "a strange name besides": (
        ownership.allowed_names,
        lambda: ask([NODE, "vault", "shop"], []),
        holds(
            "allowed-names",
            HoldReason.NAME_NOT_ALLOWED,
            "not this node's: vault, shop",
            f"{NODE}, vault, shop",
            OWN_NAME,
        ),
    ),
    "a name of a node that nobody knows": (
        ownership.allowed_names,
        lambda: Case(known=False),
        doubts("allowed-names", "no source knows this node", HoldReason.NODE_UNKNOWN, seen=NODE),
    ),
    "names of no owner": (
        ownership.allowed_names,
        lambda: Case(pem=b"hello"),
        doubts("allowed-names", UNREADABLE, HoldReason.UNREADABLE),
    ),
    "a name that only the node claims": (
        ownership.allowed_names,
        lambda: ask(
            [NODE, "alias"],
            [],
            names=(Claim(NODE, NameSource.NODE_NAME), Claim("alias", CLAIMED)),
        ),
        doubts(
            "allowed-names",
            "only the node itself says so: alias",
            HoldReason.ONLY_THE_NODE_SAYS_SO,
            "alias",
            seen=f"{NODE}, alias",
            allowed=OWN_NAME,
        ),
    ),
    "a name that only the node claims, where it is known why no source has it": (
        ownership.allowed_names,
        lambda: ask(
            ["alias"], [], names=(Claim("alias", CLAIMED),), unknown="no pin knows it"
        ),
        doubts(
            "allowed-names",
            "no pin knows it",
            HoldReason.NODE_UNKNOWN,
            "alias",
            seen="alias",
            allowed="none",
        ),
    ),
    "a name that not even the node claims, where it is known why no source has the node": (
        ownership.allowed_names,
        lambda: ask(
            ["alias", "other"], [], names=(Claim("alias", CLAIMED),), unknown="no pin knows it"
        ),
        doubts(
            "allowed-names",
            "no pin knows it. The Node itself does not claim other",
            HoldReason.NODE_UNKNOWN,
            seen="alias, other",
            allowed="none",
        ),
    ),
    "its own address": (
        ownership.allowed_addresses,
        Case,
        lets_through("allowed-addresses", ADDRESS, OWN_ADDRESS),
    ),
    "a strange address besides": (
        ownership.allowed_addresses,
        lambda: ask([], [ADDRESS, "10.0.0.7"]),
        holds(
            "allowed-addresses",
            HoldReason.ADDRESS_NOT_ALLOWED,
            "not this node's: 10.0.0.7",
            f"{ADDRESS}, 10.0.0.7",
            OWN_ADDRESS,
        ),
    ),
    "an address that only the node claims": (
        ownership.allowed_addresses,
        lambda: Case(addresses=(Claim(ADDRESS, CLAIMED),)),
        doubts(
            "allowed-addresses",
            f"only the node itself says so: {ADDRESS}",
            HoldReason.ONLY_THE_NODE_SAYS_SO,
            ADDRESS,
            seen=ADDRESS,
            allowed="none",
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "case", "answer"), ANSWERS.values(), ids=ANSWERS)
def test_a_rule_answers(rule: NameRule, case: Callable[[], Case], answer: RuleResult) -> None:
    assert rule(case().facts()) == answer


def entitlement(
    *,
    others: OtherNodes | None = NO_OTHERS,
    reserved: ReservedNames = NOTHING_RESERVED,
    outdated: str = "",
) -> EntitlementFacts:
    allowed = AllowedNames(
        NODE,
        (Claim(NODE, NameSource.NODE_NAME),),
        (Claim(ADDRESS, NameSource.SSH_HOST_KEY),),
        outdated=outdated,
    )
    return EntitlementFacts(allowed, others, reserved)


def test_where_the_lists_may_lack_something_each_doubt_is_told() -> None:
    facts = entitlement(reserved=ReservedNames(doubts=("no Services", "no domain")))
    assert ownership.reserved_names(facts) == doubts("reserved-names", "no Services, no domain")
    assert ownership.reserved_addresses(facts) == doubts(
        "reserved-addresses", "no Services, no domain"
    )


def test_where_the_nodes_could_not_be_read_nothing_is_known_to_be_another_nodes() -> None:
    facts = entitlement(others=None)
    assert ownership.foreign_names(facts) == doubts("foreign-names", NO_NODES)
    assert ownership.foreign_addresses(facts) == doubts("foreign-addresses", NO_NODES)


def test_what_the_operator_wrote_down_is_not_shaken_by_another_nodes_claim() -> None:
    for source in (NameSource.INVENTORY, NameSource.PIN):
        allowed = AllowedNames(NODE, (Claim("w1", source),), (Claim(ADDRESS, source),))
        others = OtherNodes(
            {"w1": ClaimedBy("w3", proven=False)},
            {ip_address(ADDRESS): ClaimedBy("w3", proven=False)},
        )
        facts = EntitlementFacts(allowed, others, NOTHING_RESERVED)
        assert ownership.foreign_names(facts) == lets_through("foreign-names", "w1")
        assert ownership.foreign_addresses(facts) == lets_through("foreign-addresses", ADDRESS)


def test_of_what_the_node_claims_and_its_source_lacks_it_is_said_how_the_source_came_to_it() -> (
    None
):
    allowed = AllowedNames(
        NODE,
        (Claim(NODE, NameSource.PIN),),
        (Claim(ADDRESS, NameSource.PIN),),
        unlisted=("10.0.0.7", "alias"),
        listed="changed since it was pinned",
    )
    asked = {
        "vault": "not this node's: vault",
        "alias": "not this node's: alias; changed since it was pinned",
    }
    for name, message in asked.items():
        facts = msgspec.structs.replace(seen_by(name).facts(), allowed=allowed)
        assert ownership.allowed_names(facts).message == message
    facts = msgspec.structs.replace(ask([], ["10.0.0.8", "10.0.0.7"]).facts(), allowed=allowed)
    assert (
        ownership.allowed_addresses(facts).message
        == "not this node's: 10.0.0.8, 10.0.0.7; changed since it was pinned"
    )


def test_what_a_plan_said_too_long_ago_is_not_told_as_allowed() -> None:
    facts = entitlement(outdated="the plan is old")
    why = ("the plan is old", HoldReason.PIN_OUTDATED)
    assert ownership.allowed_names(facts) == doubts("allowed-names", *why, seen=NODE)
    assert ownership.allowed_addresses(facts) == doubts("allowed-addresses", *why, seen=ADDRESS)


VIRTUAL = "192.168.88.250"
HAS_VIRTUAL = (Claim(VIRTUAL, CLAIMED),)


CLUSTERS_OWN: dict[str, tuple[NameRule, Callable[[], Case], bool]] = {
    "a name that is not the node's": (
        ownership.reserved_names,
        lambda: seen_by("lb.example.com"),
        True,
    ),
    "an address that is not the node's": (
        ownership.reserved_addresses,
        lambda: ask([NODE], [VIRTUAL]),
        True,
    ),
    "a name that a source has": (
        ownership.reserved_names,
        lambda: seen_by("lb.example.com", names=(Claim("lb.example.com", CLAIMED),)),
        False,
    ),
    "an address that a source has, with a name that none has": (
        ownership.reserved_addresses,
        lambda: ask(["stranger"], [VIRTUAL], addresses=HAS_VIRTUAL),
        False,
    ),
    "an address that a source has, with one that none has": (
        ownership.reserved_addresses,
        lambda: ask([NODE], [VIRTUAL, "192.168.88.9"], addresses=HAS_VIRTUAL),
        True,
    ),
    "of a node that nobody knows": (
        ownership.reserved_addresses,
        lambda: ask([NODE], [VIRTUAL], known=False),
        False,
    ),
    "one for which the operator's word is enough": (
        ownership.reserved_addresses,
        lambda: ask(
            [NODE],
            [ADDRESS, "192.168.88.9"],
            addresses=(Claim(ADDRESS, CLAIMED),),
            external=True,
        ),
        False,
    ),
}


@pytest.mark.parametrize(("rule", "case", "hard"), CLUSTERS_OWN.values(), ids=CLUSTERS_OWN)
def test_what_is_the_clusters_is_hard_only_where_a_source_says_that_something_is_not_the_nodes(
    rule: NameRule, case: Callable[[], Case], hard: bool
) -> None:
    """A tenant's Service, or the networks of pods that a new Node names, can reserve what an honest node has."""
    result = rule(case().facts())
    assert (result.outcome, result.hard) == (Outcome.REFUSE, hard)
