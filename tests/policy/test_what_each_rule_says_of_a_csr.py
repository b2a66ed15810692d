"""The whole answer of each rule about a CSR's form and time: outcome, reason, message, what it saw, what it would allow.

Each answer is written by hand from what docs/policy.md says of the rule.
"""

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from kubevouch.outcome import Outcome
from kubevouch.policy import form, timing
from kubevouch.policy.facts import CsrFacts, CsrLimits
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.rule import Rule, RuleResult
from tests.support.requests import request

from .conftest import ADDRESS, NODE, NOW, Case, doubts, holds, lets_through

USAGES = "digital signature, server auth (and key encipherment)"
CANONICAL = "one PEM block, one extension request with a subjectAltName, nothing else"
UNREADABLE = "the CSR cannot be read"
FRESH = "made less than 14 minutes ago"


ANSWERS: dict[str, tuple[Rule, Callable[[], Case], RuleResult]] = {
    "a CSR of the most bytes": (
        form.size,
        lambda: Case(pem=b"x" * 8192),
        lets_through("size", "8192 bytes", "at most 8192 bytes"),
    ),
    "one byte more": (
        form.size,
        lambda: Case(pem=b"x" * 8193),
        holds(
            "size",
            HoldReason.TOO_LARGE,
            "it is larger than any kubelet's CSR",
            "8193 bytes",
            "at most 8192 bytes",
            hard=True,
        ),
    ),
    "one reading": (form.canonical, Case, lets_through("canonical", "canonical", CANONICAL)),
    "no reading": (
        form.canonical,
        lambda: Case(pem=b"hello"),
        holds(
            "canonical",
            HoldReason.UNREADABLE,
            "csr-1: no PEM block; a CERTIFICATE REQUEST block was expected",
            "unreadable",
            CANONICAL,
            hard=True,
        ),
    ),
    "two quirks": (
        form.canonical,
        lambda: Case(pem=b"x\n" + request(NODE, [NODE], [f"::ffff:{ADDRESS}"])),
        holds(
            "canonical",
            HoldReason.NOT_CANONICAL,
            f"text stands around the PEM block; {ADDRESS} is written as an IPv6 address",
            "pem-not-canonical, san-mapped-address",
            CANONICAL,
            hard=True,
        ),
    ),
    "its usages": (form.usages, Case, lets_through("usages", "digital signature, server auth", USAGES)),
    "no usages known": (
        form.usages,
        lambda: Case(usages=None),
        doubts("usages", "a bare CSR names no usages", allowed=USAGES),
    ),
    "a usage twice": (
        form.usages,
        lambda: Case(usages=("server auth", "digital signature", "server auth")),
        holds(
            "usages",
            HoldReason.WRONG_USAGES,
            "a serving certificate is for server authentication and nothing else",
            "server auth, digital signature, server auth",
            USAGES,
            hard=True,
        ),
    ),
    "its key": (form.key, Case, lets_through("key", "ECDSA P-256", "ECDSA P-256")),
    "no key that can be read": (
        form.key,
        lambda: Case(pem=b"hello"),
        doubts("key", UNREADABLE, HoldReason.UNREADABLE),
    ),
    "an RSA key": (
        form.key,
        lambda: Case(pem=request(NODE, [NODE], key=rsa.generate_private_key(65537, 2048))),
        holds(
            "key",
            HoldReason.WRONG_KEY,
            "no kubelet makes a key of this kind",
            "RSA 2048",
            "ECDSA P-256",
            hard=True,
        ),
    ),
    "no lifetime": (form.lifetime, Case, lets_through("lifetime", "unset")),
    "the longest lifetime": (
        form.lifetime,
        lambda: Case(expiration_seconds=366 * 86400),
        lets_through("lifetime", "31622400 s"),
    ),
    "a second longer": (
        form.lifetime,
        lambda: Case(expiration_seconds=366 * 86400 + 1),
        holds(
            "lifetime",
            HoldReason.LIFETIME_TOO_LONG,
            "it asks for a longer lifetime than allowed",
            "31622401 s",
            "at most 366 days, or unset",
            hard=True,
        ),
    ),
    "pending": (timing.undecided, Case, lets_through("undecided", "pending")),
    "decided": (
        timing.undecided,
        lambda: Case(conditions=("Approved", "Failed")),
        holds(
            "undecided",
            HoldReason.ALREADY_DECIDED,
            "somebody has already decided about it",
            "Approved, Failed",
            "no condition yet",
        ),
    ),
    "the newest": (timing.newest, Case, lets_through("newest", "csr-1")),
    "no newest": (
        timing.newest,
        lambda: Case(newest=None),
        doubts("newest", "it is not known which CSR of this node is the newest"),
    ),
    "not the newest": (
        timing.newest,
        lambda: Case(newest="csr-2"),
        holds(
            "newest",
            HoldReason.SUPERSEDED,
            "its kubelet has asked again since, with another key",
            "csr-1",
            "csr-2",
        ),
    ),
    "a fresh one": (
        timing.fresh,
        lambda: Case(age=timedelta(seconds=5.9)),
        lets_through("fresh", "made 5 s ago", FRESH),
    ),
    "one as old as may be": (
        timing.fresh,
        lambda: Case(age=timedelta(minutes=14)),
        lets_through("fresh", "made 840 s ago", FRESH),
    ),
    "one that is older": (
        timing.fresh,
        lambda: Case(age=timedelta(minutes=14, seconds=1)),
        holds(
            "fresh",
            HoldReason.TOO_OLD,
            "its kubelet has stopped waiting for it, or is about to",
            "made 841 s ago",
            FRESH,
        ),
    ),
    "one as far ahead as clocks may differ": (
        timing.fresh,
        lambda: Case(age=-timedelta(minutes=1)),
        lets_through("fresh", "made 60 s ahead of the API server's clock", FRESH),
    ),
    "one of this second": (
        timing.fresh,
        lambda: Case(age=-timedelta(seconds=0.9)),
        lets_through("fresh", "made 0 s ago", FRESH),
    ),
    "one of the next second": (
        timing.fresh,
        lambda: Case(age=-timedelta(seconds=1)),
        lets_through("fresh", "made 1 s ahead of the API server's clock", FRESH),
    ),
    "one of the future": (
        timing.fresh,
        lambda: Case(age=-timedelta(seconds=61)),
        doubts(
            "fresh",
            "it was made in the future, by the API server's clock",
            seen="made in 61 s",
            allowed=FRESH,
        ),
    ),
    "one made as its kubelet started": (
        timing.fresh,
        lambda: Case(kubelet_started=NOW - timedelta(seconds=5)),
        lets_through("fresh", "made 5 s ago", FRESH),
    ),
    "one made before its kubelet started": (
        timing.fresh,
        lambda: Case(kubelet_started=NOW - timedelta(seconds=4)),
        holds(
            "fresh",
            HoldReason.TOO_OLD,
            "its kubelet has been restarted since and holds another key",
            "made 5 s ago",
            "made since the kubelet's start",
        ),
    ),
    "approvals that nobody counts": (
        timing.budget,
        Case,
        RuleResult(
            "budget",
            Outcome.PASS,
            HoldReason.NOT_ASKED,
            "only the running approver asks this: it counts the approvals of each node",
            "not asked: only the running approver asks this: it counts the approvals of each node",
        ),
    ),
    "the last approval": (
        timing.budget,
        lambda: Case(approvals_left=1),
        lets_through("budget", "1 left"),
    ),
    "no approval left": (
        timing.budget,
        lambda: Case(approvals_left=0),
        holds(
            "budget",
            HoldReason.OVER_BUDGET,
            "it has had more certificates lately than a kubelet needs; the next one is approved in some minutes",
            "no approval left",
            "6 at once, then one in 10 minutes",
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "case", "answer"), ANSWERS.values(), ids=ANSWERS)
def test_a_rule_answers(rule: Rule, case: Callable[[], Case], answer: RuleResult) -> None:
    assert rule(case().facts()) == answer


def with_csr(**changes: object) -> CsrFacts:
    facts = Case().facts()
    return msgspec.structs.replace(facts, csr=msgspec.structs.replace(facts.csr, **changes))


def test_a_bare_csr_is_of_no_known_time() -> None:
    bare = with_csr(created=None)
    assert timing.fresh(bare) == doubts(
        "fresh", "a bare CSR does not say when it was made", allowed=FRESH
    )
    assert timing.newest(bare) == doubts(
        "newest", "it is not known which CSR of this node is the newest"
    )


def test_what_cannot_be_read_for_no_known_reason_is_held_nonetheless() -> None:
    assert form.canonical(with_csr(parsed=None)) == holds(
        "canonical", HoldReason.UNREADABLE, "it cannot be read", "unreadable", CANONICAL, hard=True
    )


def test_another_limit_is_told_in_its_own_minutes() -> None:
    limits = CsrLimits(freshness=timedelta(hours=1))
    facts = msgspec.structs.replace(Case().facts(), limits=limits)
    assert timing.fresh(facts) == lets_through(
        "fresh", "made 5 s ago", "made less than 60 minutes ago"
    )


def test_another_lifetime_is_told_in_days_where_it_is_whole_days() -> None:
    for hours, words in {36: "36 hours", 48: "2 days"}.items():
        limits = CsrLimits(lifetime=timedelta(hours=hours))
        csr = with_csr(expiration_seconds=hours * 3600 + 1)
        assert form.lifetime(msgspec.structs.replace(csr, limits=limits)) == holds(
            "lifetime",
            HoldReason.LIFETIME_TOO_LONG,
            "it asks for a longer lifetime than allowed",
            f"{hours * 3600 + 1} s",
            f"at most {words}, or unset",
            hard=True,
        )
