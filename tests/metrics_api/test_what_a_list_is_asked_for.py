"""Selectors of lists. The judge is apimachinery itself; its answers are recorded (real/oracle/list_options)."""

import json
from pathlib import Path
from typing import Any

import pytest

from kubevouch.metrics.serving.selectors import SelectorError, selection_of
from kubevouch.serve.messages import HttpRequest
from real.oracle import list_options_corpus as corpus
from tests.support.go import answers_today

CASES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "go-list-options.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]


def chosen(query: dict[str, list[str]]) -> list[str] | str:
    """The names of the chosen objects; or, since the words are not compared, "BadRequest"."""
    request = HttpRequest("GET", "/", {name: tuple(values) for name, values in query.items()})
    try:
        found = selection_of(request)
    except SelectorError:
        return "BadRequest"
    named = [
        each["name"]
        for each in corpus.OBJECTS
        if found.labels(each["labels"]) and found.fields(each["namespace"], each["name"])  # type: ignore[arg-type]
    ]
    assert not found.everything or len(named) == len(corpus.OBJECTS)
    return named  # type: ignore[return-value]


def test_every_query_is_answered_as_by_go() -> None:
    wrong = [
        (query, got, theirs)
        for query, go in ((case["query"], case["go"]) for case in CASES)
        if (got := chosen(query))
        != (theirs := go["refused"]["reason"] if "refused" in go else go.get("chosen", []))
    ]
    assert not wrong


@pytest.mark.needs_go
def test_go_still_gives_the_recorded_answers() -> None:
    asked = corpus.questions()
    assert [case["query"] for case in CASES] == [each["query"] for each in asked]
    assert answers_today(corpus.judged, asked) == [case["go"] for case in CASES]
