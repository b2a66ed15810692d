"""Selectors and other options. The judge is apimachinery itself; its answers are recorded (real/oracle/list_options)."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kubevouch.metrics.serving.list_options import list_options
from kubevouch.serve.messages import HttpRequest, HttpResponse
from real.oracle import list_options_corpus as corpus

CASES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "go-list-options.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]


def answered(query: dict[str, list[str]]) -> dict[str, Any]:
    request = HttpRequest("GET", "/", {name: tuple(values) for name, values in query.items()})
    found = list_options(request)
    if isinstance(found, HttpResponse):
        told = json.loads(found.body)
        assert found.code == told["code"]
        assert (told.pop("kind"), told.pop("apiVersion")) == ("Status", "v1")
        return {"refused": told}
    chosen = [
        each["name"]
        for each in corpus.OBJECTS
        if found.labels(each["labels"]) and found.fields(each["namespace"], each["name"])  # type: ignore[arg-type]
    ]
    if found.everything:
        assert len(chosen) == len(corpus.OBJECTS)
    return {"chosen": chosen} if chosen else {}


TWO_FAULTS = {"fieldSelector": ["status.phase=x"], "resourceVersionMatch": ["Exact"]}
"""Refused for either of them."""


def judged(query: dict[str, list[str]], answer: dict[str, Any]) -> Any:
    """What is compared: the choice, or the code and the reason. The words are not."""
    refused = answer.get("refused")
    if refused is None or query == TWO_FAULTS:
        return bool(refused) or answer
    return refused["code"], refused["reason"]


def test_every_query_is_answered_as_by_go() -> None:
    wrong = [
        (case["query"], got, case["go"])
        for case in CASES
        if judged(case["query"], got := answered(case["query"]))
        != judged(case["query"], case["go"])
    ]
    assert not wrong


def test_there_are_queries_of_each_kind() -> None:
    refused = [case["go"]["refused"]["code"] for case in CASES if "refused" in case["go"]]
    assert refused.count(400) > 300
    assert refused.count(422) > 50
    assert len(CASES) - len(refused) > 150


@pytest.mark.needs_go
def test_go_still_gives_the_recorded_answers() -> None:
    asked = corpus.questions()
    assert [case["query"] for case in CASES] == [each["query"] for each in asked]
    try:
        told = corpus.judged(asked, fetch=False)
    except (OSError, subprocess.CalledProcessError):
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("no Go on the PATH, an older one, or without its modules")
    assert told == [case["go"] for case in CASES]
