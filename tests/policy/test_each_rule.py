"""Whole decisions about one CSR: csr_cases.yaml says what differs from a good one, and which rules then do not pass.

asks, at, cn, organizations, key         of the request; {0..8}: so many of them
text, cut, before, bytes                 what there is instead of a request
has, reached                             which names and addresses the node may have: VALUE SOURCE [confirmed]
age, kubelet_started, node_seen[2]       seconds ago
other_names, other_addresses             VALUE: NODE [proven] [by_pin]
credential_ids, client_certificates      a single letter stands for a hash of it
unasked                                  rules that were not asked, where other ones than without anybody's knowledge
says                                     the command that a message ends with
"""

import re
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kubevouch.outcome import Outcome
from kubevouch.policy.claims import AllowedNames, Claim, ClaimedBy, NameSource, OtherNodes
from kubevouch.policy.decide import RULES, Decision, decide, decide_entitlement
from kubevouch.policy.facts import CsrFacts, NodeSeen, RuleResult
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.reserved import ReservedNames
from kubevouch.policy.rules import form, identity, timing
from tests.support.requests import request
from tests.support.rows import of_each

from . import conftest
from .conftest import ADDRESS, NODE, NOW, Case

CASES: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "csr_cases.yaml").read_text()
)
UNASKED = ["credential-id", "client-standing", "own-key", "same-node", "budget"]
KEYS: dict[str, Callable[[], ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey]] = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
}


def several(values: list[str]) -> list[str]:
    found = []
    for value in values:
        part = re.search(r"\{(\d+)\.\.(\d+)\}", value)
        numbers = range(int(part[1]), int(part[2]) + 1) if part else ()
        found += [value.replace(part[0], str(n)) for n in numbers] if part else [value]
    return found


def pem_of(case: dict[str, Any]) -> bytes:
    if "text" in case or "bytes" in case:
        return str(case.get("text", "x" * case.get("bytes", 0))).encode()
    pem = request(
        case.get("cn", NODE),
        several(case.get("asks", [NODE])),
        several(case.get("at", [ADDRESS])),
        organizations=case.get("organizations", ("system:nodes",)),
        key=KEYS[case["key"]]() if "key" in case else None,
    )
    return (b"x\n" if case.get("before") else b"") + pem[: case.get("cut")]


def claims(said: list[str]) -> tuple[Claim, ...]:
    words = [each.split() for each in said]
    return tuple(Claim(w[0], NameSource[w[1]], confirmed="confirmed" in w) for w in words)


def owner(said: str) -> ClaimedBy:
    node, *words = said.split()
    return ClaimedBy(node, proven="proven" in words, by_pin="by_pin" in words)


def hashed(said: str) -> str:
    kind, equals, value = said.rpartition("=")
    return f"{kind}{equals}{value * 64 if len(value) == 1 else value}"


def ago(seconds: float | None) -> Any:
    return None if seconds is None else NOW - timedelta(seconds=seconds)


READ: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "has": ("names", claims),
    "reached": ("addresses", claims),
    "age": ("age", lambda seconds: timedelta(seconds=seconds)),
    "kubelet_started": ("kubelet_started", ago),
    "node_seen": ("node_seen", lambda seen: NodeSeen(seen[0], seen[1], ago(seen[2]))),
    "standing": ("standing", lambda name: getattr(conftest, name)),
    "groups": ("groups", tuple),
    "usages": ("usages", tuple),
    "conditions": ("conditions", tuple),
    "credential_ids": ("credential_ids", lambda v: tuple(map(hashed, v))),
    "client_certificates": ("client_certificates", lambda v: frozenset(map(hashed, v))),
    "key_shown_by": ("key_shown_by", frozenset),
    "other_names": ("other_names", lambda v: {name: owner(said) for name, said in v.items()}),
    "other_addresses": (
        "other_addresses",
        lambda v: {ip_address(name): owner(said) for name, said in v.items()},
    ),
}
OF_REQUEST = {"asks", "at", "cn", "organizations", "key", "text", "cut", "before", "bytes"}


def case_of(said: dict[str, Any]) -> Case:
    facts = {k: v for k, v in said.items() if k not in OF_REQUEST | {"held", "unasked", "says"}}
    read = [(*READ.get(key, (key, lambda v: v)), value) for key, value in facts.items()]
    return Case(pem=pem_of(said), **{field: as_fact(value) for field, as_fact, value in read})


def in_short(result: RuleResult) -> str:
    doubt = "? " if result.outcome is Outcome.CANNOT_TELL else ""
    word = "".join(f" +{value}" for value in result.operator_may_allow)
    return f"{doubt}{result.reason}{word}"


def held(decision: Decision) -> dict[str, str]:
    return {r.rule: in_short(r) for r in decision.results if r.outcome is not Outcome.PASS}


@of_each(CASES)
def test_a_csr_is_held_by_these_rules_and_no_other(name: str) -> None:
    said = CASES[name]
    decision = case_of(said).judged()
    assert held(decision) == said.get("held", {})
    assert list(decision.not_asked) == said.get("unasked", UNASKED)
    messages = [each.message for each in decision.results]
    command = said.get("says", "").replace("{a}", "a" * 64)
    assert any(each.endswith(command) for each in messages)
    assert command or not any(": kube" in each for each in messages)
    for each in decision.held_by:
        assert each.message
        assert each.outcome is Outcome.CANNOT_TELL or each.seen


HOSTILE = ["another node's address", "kubernetes.default.svc", "client auth", "a bootstrap token"]


@pytest.mark.parametrize("name", HOSTILE)
def test_without_its_rule_the_hostile_csr_would_be_let_through_by_what_remains(name: str) -> None:
    """Each of these is held by one rule alone: taking it away is seen."""
    first = next(iter(CASES[name]["held"]))
    remaining = tuple(r for r in RULES if r.__name__ != first.replace("-", "_"))
    left = {r.rule for r in decide(case_of(CASES[name]).facts(), remaining).held_by}
    assert left <= {"subject", "live-node"}  # who it is hangs on the requestor


def test_a_refusal_stands_before_a_doubt() -> None:
    decision = Case(known=False, usages=("client auth",)).judged()
    assert decision.held_by[0].rule == "usages"


def test_a_flood_of_names_does_not_fill_a_screen() -> None:
    results = case_of({"asks": ["n{0..2499}.example.com"]}).judged().results
    seen = next(each.seen for each in results if each.rule == "allowed-names")
    assert seen.startswith("n0.example.com, n1.example.com, ")
    assert seen.endswith("n23.example.com and 2476 more")
    assert max(len(text) for each in results for text in (each.seen, each.message)) < 2000


def with_csr(**changes: object) -> CsrFacts:
    facts = Case(node_seen=NodeSeen("uid-1", "uid-1", NOW)).facts()
    return msgspec.structs.replace(facts, csr=msgspec.structs.replace(facts.csr, **changes))


def test_what_a_bare_csr_does_not_say_is_a_doubt() -> None:
    for rule in (timing.fresh, timing.newest, identity.same_node):
        assert in_short(rule(with_csr(created=None))) == "? NotInEvidence"
    assert in_short(form.canonical(with_csr(parsed=None))) == "Unreadable"
    with pytest.raises(ValueError, match="expected a parsed CSR"):
        form.count(with_csr(parsed=None))


@pytest.mark.parametrize(
    ("hours", "words"), [(36, "36 hours"), (48, "2 days"), (366 * 24, "366 days")]
)
def test_a_limit_is_told_as_it_is_set(hours: int, words: str) -> None:
    asked = with_csr(expiration_seconds=hours * 3600 + 1)
    csr = msgspec.structs.replace(asked, max_lifetime=timedelta(hours=hours))
    result = form.lifetime(csr)
    assert (in_short(result), result.allowed) == (
        "LifetimeTooLong",
        f"at most {words}, or unset",
    )


OWN = AllowedNames(NODE, (Claim(NODE, NameSource.PIN),), (Claim(ADDRESS, NameSource.PIN),))
UNLISTED = msgspec.structs.replace(OWN, unlisted=("10.0.0.7", "alias"), listed="changed since")
OUTDATED = msgspec.structs.replace(OWN, outdated="the plan is old")
CLAIMED_BY_W3 = OtherNodes(
    {NODE: ClaimedBy("w3", proven=False)}, {ip_address(ADDRESS): ClaimedBy("w3", proven=False)}
)
NAMES = {
    "what the operator wrote down, and another node claims": (OWN, CLAIMED_BY_W3, (), {}),
    "the lists may lack something": (
        OWN,
        OtherNodes(),
        ("no Services", "no domain"),
        dict.fromkeys(("reserved-names", "reserved-addresses"), "? NotInEvidence"),
    ),
    "the nodes could not be read": (
        OWN,
        None,
        (),
        dict.fromkeys(("foreign-names", "foreign-addresses"), "? NotInEvidence"),
    ),
    "a plan that is too old": (
        OUTDATED,
        OtherNodes(),
        (),
        dict.fromkeys(("allowed-names", "allowed-addresses"), "? PinOutdated"),
    ),
}


@pytest.mark.parametrize(("allowed", "others", "doubts", "expected"), NAMES.values(), ids=NAMES)
def test_what_a_node_is_entitled_to(
    allowed: AllowedNames,
    others: OtherNodes | None,
    doubts: tuple[str, ...],
    expected: dict[str, str],
) -> None:
    reserved = ReservedNames(doubts=doubts)
    assert held(decide_entitlement(allowed, others, reserved)) == expected


@pytest.mark.parametrize(
    ("asked", "rule", "is_told"),
    [
        ({"asks": ["vault"]}, "allowed-names", False),
        ({"asks": ["alias"]}, "allowed-names", True),
        ({"at": ["10.0.0.8", "10.0.0.7"]}, "allowed-addresses", True),
    ],
)
def test_only_of_what_the_node_claims_it_is_told_how_its_source_came_to_lack_it(
    asked: dict[str, Any], rule: str, is_told: bool
) -> None:
    facts = msgspec.structs.replace(case_of(asked).facts(), allowed=UNLISTED)
    found = next(each for each in decide(facts).results if each.rule == rule)
    assert found.reason in (HoldReason.NAME_NOT_ALLOWED, HoldReason.ADDRESS_NOT_ALLOWED)
    assert found.message.endswith("; changed since") is is_told
