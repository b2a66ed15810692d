"""The codes: stable, complete, and documented."""

import re
from pathlib import Path

import pytest

from kubevouch.diagnose.catalogue import CATALOGUE, Entry
from kubevouch.diagnose.pages import pages

DOCS = Path(__file__).parents[2] / "docs" / "findings"


def test_the_pages_are_made_from_the_catalogue() -> None:
    """`make docs` writes them anew."""
    assert {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("*.md")} == pages()


def test_codes_and_names_are_used_once_and_stand_in_order() -> None:
    assert list(CATALOGUE) == sorted(CATALOGUE)
    assert len({entry.name for entry in CATALOGUE.values()}) == len(CATALOGUE)


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=list(CATALOGUE))
def test_an_entry_says_what_is_seen_why_and_what_to_do(entry: Entry) -> None:
    assert re.fullmatch(r"KV[1-9]\d\d", entry.code)
    assert re.fullmatch(r"[A-Z][A-Za-z]+", entry.name)
    assert entry.see.isascii()
    assert entry.why.isascii()
    assert entry.do.isascii()
