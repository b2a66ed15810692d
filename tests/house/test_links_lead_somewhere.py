"""Links between pages of this repository lead to files and headings that are there, and each decision has a number of its own."""

import re
from collections import Counter
from pathlib import Path

from tests.house.tracked import tracked
from tests.support.rows import of_each

PAGES = [each for each in tracked(suffixes=(".md", ".py")) if each.suffix == ".md"]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The headings of a page as GitHub links to them."""
    headings = _HEADING.findall(_CODE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@of_each(PAGES)
def test_every_link_leads_to_a_file_and_a_heading_of_it(page: Path) -> None:
    lost = []
    for link in _LINK.findall(_CODE.sub("", page.read_text())):
        path, _, anchor = link.partition("#")
        if "://" in link or link.startswith("mailto:"):
            continue
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there.read_text())):
            lost.append(link)
    assert not lost


def test_each_decision_has_a_number_of_its_own_and_says_it() -> None:
    decisions = [e for e in PAGES if e.parent.name == "decisions" and e.name != "README.md"]
    assert len(decisions) > 9
    assert max(Counter(each.name[:4] for each in decisions).values()) == 1
    for each in decisions:
        assert each.read_text().startswith(f"# {int(each.name[:4])}. "), each
