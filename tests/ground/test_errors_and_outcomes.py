"""The ground: exit codes, the shape of an error, how outcomes combine."""

import itertools

import pytest

from kubevouch.errors import ExitCode, KubevouchError, UsageError, combined_exit_code
from kubevouch.outcome import Outcome, combined

PRECEDENCE = [2, 130, 4, 5, 1, 3, 0]


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(PRECEDENCE, 2)), ids=str)
def test_of_two_exit_codes_the_contract_says_which_one_wins(first: int, second: int) -> None:
    assert combined_exit_code([ExitCode(second), ExitCode(first)]) == first
    assert combined_exit_code([ExitCode(first), ExitCode(second)]) == first


def test_nothing_to_report_exits_with_zero() -> None:
    assert combined_exit_code([]) is ExitCode.OK


def test_an_error_says_where_what_was_seen_and_what_would_be_right() -> None:
    error = KubevouchError("nodes.yaml", "a list", "expected a mapping")
    assert str(error) == "nodes.yaml: a list; expected a mapping"
    assert str(KubevouchError("nodes.yaml", "a list")) == "nodes.yaml: a list"


def test_an_error_without_a_class_of_its_own_could_not_tell_and_a_usage_error_is_two() -> None:
    assert KubevouchError("a", "b").exit_code is ExitCode.COULD_NOT_TELL
    assert UsageError("a", "b").exit_code is ExitCode.USAGE


def test_one_refusal_refuses_and_one_doubt_doubts() -> None:
    assert combined([Outcome.PASS, Outcome.CANNOT_TELL, Outcome.REFUSE]) is Outcome.REFUSE
    assert combined([Outcome.PASS, Outcome.CANNOT_TELL]) is Outcome.CANNOT_TELL
    assert combined([Outcome.PASS, Outcome.PASS]) is Outcome.PASS


def test_no_rule_at_all_is_no_pass() -> None:
    assert combined([]) is Outcome.CANNOT_TELL
