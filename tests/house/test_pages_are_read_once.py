"""Pages for operators are short, and so are their sentences and those of the code."""

import ast
import re
from statistics import mean

from tests.house.tracked import ROOT, tracked

FOR_DEVELOPERS = {"architecture.md", "story.md"}
DOCS = [each for each in (ROOT / "docs").glob("*.md") if each.name not in FOR_DEVELOPERS]
PAGES = {each.name: each.read_text("utf-8") for each in (ROOT / "README.md", *DOCS)}
NO_SENTENCES = re.compile(
    r"^ *```.*?^ *```$|^[^\S\n]*\|[^\n]*|^#+ [^\n]*|!\[.*?\]\(.*?\)", re.MULTILINE | re.DOTALL
)
"""Blocks of commands, rows of tables, headings, pictures."""
ENDS = re.compile(r"(?<=[.!?:])\s+(?=[A-Z`\"(])|\n\s*[-*\d.]+ |\n\s*\n")


def sentences(text: str) -> list[str]:
    """What is between full stops. A text in backticks is one word, and a link its words."""
    text = re.sub(r"`[^`]*`", "X", NO_SENTENCES.sub("", text))
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return [each for each in ENDS.split(text) if len(each.split()) > 2]


def test_no_page_is_long() -> None:
    assert {
        name: words for name, text in PAGES.items() if (words := len(text.split())) > 1500
    } == {}
    assert sum(len(text.split()) for text in PAGES.values()) <= 17_000
    assert len(PAGES["README.md"].splitlines()) <= 160


def assert_short(found: list[str]) -> None:
    lengths = [len(each.split()) for each in found]
    assert mean(lengths) <= 15
    assert mean(length > 30 for length in lengths) <= 0.04
    assert mean(each.count(",") for each in found) <= 0.8


def test_sentences_are_short_and_have_few_commas() -> None:
    assert_short([each for text in PAGES.values() for each in sentences(text)])
    seen = sentences("# No\n\nIt is `a b c` [of](x) it. Two, of two.\n\n- A third one.\n\n| no |")
    assert seen == ["It is X of it.", "Two, of two.", "A third one."]


def test_docstrings_and_messages_are_short_too() -> None:
    found: dict[bool, list[str]] = {True: [], False: []}
    one_word = []
    for path in tracked("src", "lab/src", suffixes=(".py",)):
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        docstrings = {each.value for each in nodes if isinstance(each, ast.Expr)}
        for each in nodes:
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                found[each in docstrings] += sentences(each.value)
                if each in docstrings and len(each.value.split()) < 2:
                    one_word.append(f"{path}:{each.lineno}: {each.value}")
    assert not one_word
    assert_short(found[True])
    assert_short(found[False])
