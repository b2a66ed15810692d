"""docs/reference/policy.md has a row for each rule, in the order in which they are printed, and says whether a word overrides it."""

import re
from pathlib import Path

from .conftest import Case
from .test_csrs_as_files import CASES, decided

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "policy.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `([a-z-]+)` \|.*\| ([^|]+) \|$", PAGE, re.MULTILINE))


def test_every_rule_has_its_row_in_the_order_of_explain() -> None:
    assert list(ROWS) == [each.rule for each in Case().judged().results]


def test_a_rule_that_the_page_calls_unchanged_never_advises_the_operators_word() -> None:
    advising = {
        each.rule
        for case in CASES.values()
        for each in decided(case).held_by
        if each.operator_may_allow
    }
    assert advising
    assert all(ROWS[rule] != "nothing" for rule in advising)
