"""docs/reference/kubeconfig.md says what the cases say, and the cases say what was recorded."""

import re
from pathlib import Path

from tests.kubeconfig.bench import Case, all_cases
from tests.kubeconfig.table import END, GROUPS, PAGE, written
from tests.support.rows import of_each

CASES = all_cases()


def test_the_page_has_a_row_for_each_case_that_differs() -> None:
    assert PAGE.read_text() == written(), "run python -m tests.kubeconfig.table"
    assert {case.group for case in CASES} == set(GROUPS)


def test_each_row_beyond_kubectl_names_a_test_that_is_there() -> None:
    named = re.findall(r"`(test_\w+)`", PAGE.read_text().split(END)[1])
    sources = "".join(file.read_text() for file in sorted(Path(__file__).parent.glob("test_*.py")))
    assert named
    assert [name for name in named if f"def {name}(" not in sources] == []


@of_each(CASES, named=lambda case: case.name)
def test_what_a_row_says_of_kubectl_is_what_it_did(case: Case) -> None:
    recorded = case.recorded
    if "dials `http://localhost:8080`" in case.kubectl:
        assert "localhost:8080" in recorded["error"]
    if case.kubectl.startswith("refuses"):
        assert recorded["error"]
        assert recorded["sent"] == []
    if recorded["sent"] == []:
        assert recorded["error"]
    if case.differs:
        assert case.differs.startswith("refuses")
