"""The rules that an approver's word about a CSR names, as `Decision.why` has written it and an Event has brought it back."""

import pytest

from kubevouch.outcome import Outcome
from kubevouch.policy.decide import Decision, names_any
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.rule import RuleResult

WHY = "foreign-names, foreign-addresses (Foreign): 10.0.0.7: another node has it; own-key (KeyOfAnotherNode): the same key"


@pytest.mark.parametrize(
    ("rule", "is_named"),
    [
        ("foreign-names", True),
        ("foreign-addresses", True),
        ("own-key", True),
        ("key", False),  # a part of another rule's name
        ("names", False),
        ("Foreign", False),  # a reason
        ("newest", False),
        (".*", False),
    ],
)
def test_a_rule_is_named_by_its_whole_name_only(rule: str, is_named: bool) -> None:
    assert names_any([rule], WHY) is is_named
    assert names_any(["not-there", rule], WHY) is is_named


def test_what_a_decision_says_names_each_rule_that_holds_and_none_that_passes() -> None:
    results = tuple(
        RuleResult(name, outcome, HoldReason.TOO_LARGE, message)
        for name, outcome, message in (
            ("key", Outcome.PASS, ""),
            ("budget", Outcome.REFUSE, "one thing"),
            ("own-key", Outcome.REFUSE, "one thing"),
            ("fresh", Outcome.REFUSE, "another, (fresh): thing"),
        )
    )
    why = Decision("csr-1", Outcome.REFUSE, results).why
    assert [each.rule for each in results if names_any([each.rule], why)] == [
        "budget",
        "own-key",
        "fresh",
    ]
