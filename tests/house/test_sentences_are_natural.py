"""Docstrings, comments, messages and pages have no phrase that one would not say to a colleague at a whiteboard."""

import re
from functools import cache

import pytest

from tests.house.tracked import ROOT, tracked

TEXTS = (".py", ".md", ".sh")
PLACES = ("src", "lab/src", "docs", "README.md", "CONTRIBUTING.md")

# Each with what to write instead.
PHRASES = {
    r"\b(that|or|what|which) (is|are) none\b": "not a valid plan; or is invalid",
    r"\b(that|what|which) (is|are) no (?!longer\b|more\b)[a-z]": "that is not a ...",
    r"\btold of\b": "called for each ...; gets the ...",
    r"\b(tells?|told) (no|nothing|of)\b": "says nothing about; reports",
    r"\bof which it is said\b": "name the subject",
    r"\bwhose it is\b": "its owner",
    r"\bmade anew\b": "recreated; replaced; re-issued",
    r"\bis it \{": "did you mean ...?",
    r"\bhelps nobody\b": "has no effect; or what comes of it",
    r"\bas you say\b": "as you allow; as --flag says",
    r"\bstands in both\b": "name both",
    r"\bNAME stands alone\b": "give NAME, or ...",
    r"\bruns: it holds it\b": "runs and holds ...",
    r"\btext = f\"not asked: ": "is not waited for, since ...",
}


@pytest.mark.parametrize("phrase", PHRASES)
def test_a_phrase_that_nobody_says_does_not_come_back(phrase: str) -> None:
    pattern = re.compile(phrase, re.IGNORECASE)
    seen = [f"{where}: {line.strip()}" for where, line in _lines() if pattern.search(line)]
    assert not seen, f"write: {PHRASES[phrase]}"


@cache
def _lines() -> list[tuple[str, str]]:
    return [
        (f"{path.relative_to(ROOT)}:{number}", line)
        for path in tracked(*PLACES, suffixes=TEXTS)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    ]
