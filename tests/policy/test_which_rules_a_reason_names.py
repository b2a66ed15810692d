"""The rules that an approver's word about a CSR names, as `Decision.why` has written it and an Event has brought it back."""

import pytest

from kubevouch.outcome import Outcome
from kubevouch.policy.decide import RULE_NAMES, Decision, rules_named
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.rule import RuleResult

from .conftest import Case

WHY = (
    "foreign-names, foreign-addresses (ForeignAddress): 10.0.0.7: another node has it; "
    "own-key (KeyOfAnotherNode): the same key"
)


def named(why: str) -> list[tuple[str, str]]:
    return [(each.rule, str(each.reason)) for each in rules_named(why)]


def test_the_rules_and_their_reasons_are_named() -> None:
    assert named(WHY) == [
        ("foreign-names", "ForeignAddress"),
        ("foreign-addresses", "ForeignAddress"),
        ("own-key", "KeyOfAnotherNode"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "own-key: the same key",
        "own-key (Foreign): not a reason",
        "my-key (KeyOfAnotherNode): not a rule",
        "run own-key (KeyOfAnotherNode)",
        "own-key (KeyOfAnotherNode",
        "\x1b[31mown-key (KeyOfAnotherNode)",
        "(KeyOfAnotherNode)",
    ],
)
def test_of_any_other_text_nothing_is_believed(text: str) -> None:
    assert named(text) == []


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
    assert [rule for rule, _ in named(why)] == ["budget", "own-key", "fresh"]


def test_rules_have_the_names_that_their_results_bear() -> None:
    assert tuple(each.rule for each in Case().judged().results) == RULE_NAMES
