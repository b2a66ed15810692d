"""docs/reference/threat-model.md: each threat once, each rule that it names is one, each test that it names is there, no rule is left out."""

import ast
import json
import re
from pathlib import Path

from tests.support.rows import of_each

from .conftest import Case
from .test_csrs_as_files import CASES
from .test_what_the_approver_decides import CASES as APPROVER_CASES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "threat-model.md").read_text(encoding="utf-8")
ROWS = {
    threat: (attack, rules, tests.split())
    for threat, attack, rules, tests in re.findall(
        r"^\| (T\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE
    )
}
OF_OTHERS = dict(re.findall(r"^\| ([MF]\d+) \| [^|]+ \| [^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE))
"""On the metrics server, and on a run of apply."""
RULES = {each.rule for each in Case().judged().results}
OTHER_CODE = {"kubevouch-recorded-*", "apply", ".svc", "podCIDRs", "*-*"}
"""What stands in `backticks` beside rules and is none."""


def rules_of(threat: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", ROWS[threat][1])) - OTHER_CODE


def test_each_threat_has_one_row_in_its_order() -> None:
    numbers = re.findall(r"^\| T(\d+) \|", PAGE, re.MULTILINE)
    assert numbers == [str(number) for number in range(1, 50)]
    assert len(ROWS) == 49
    for letter, count in (("M", 22), ("F", 14)):
        others = [each for each in OF_OTHERS if each.startswith(letter)]
        assert others == [f"{letter}{number}" for number in range(1, count + 1)]


def test_the_rules_that_it_names_are_rules_and_none_is_left_out() -> None:
    named = set().union(*map(rules_of, ROWS))
    assert named <= RULES, "not a rule of the policy"
    assert named == RULES, "a rule against no threat"


@of_each([*ROWS, *OF_OTHERS])
def test_the_tests_that_it_names_are_there(threat: str) -> None:
    tests = ROWS[threat][2] if threat in ROWS else OF_OTHERS[threat].split()
    assert tests
    for each in tests:
        path, _, name = each.partition("::")
        assert (ROOT / path).is_file(), each
        if name:
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
            assert name in {node.name for node in tree.body if isinstance(node, kinds)}, each


@of_each(ROWS)
def test_its_case_files_are_held_by_the_rules_of_the_row_and_show_each_of_them(threat: str) -> None:
    rules, shown = rules_of(threat), set[str]()
    for path in map(Path, ROWS[threat][2]):
        if path.suffix != ".json":
            continue
        cases = CASES if path.parent.name == "cases" else APPROVER_CASES
        expected = cases[path.stem]["expected"]
        assert expected["outcome"] != "pass", path
        assert not rules or rules & set(expected["heldBy"]), path
        shown |= set(expected["heldBy"])
    assert rules <= shown, rules - shown


def test_a_case_file_says_which_threat_it_is_of_only_where_the_page_has_it() -> None:
    for name, case in {**CASES, **APPROVER_CASES}.items():
        for threat in re.findall(r"\((T\d+)\)", json.dumps(case["title"])):
            files = {Path(each).stem for each in ROWS[threat][2]}
            assert name in files, (name, threat)
