"""Quantities. The judge is apimachinery itself; its answers are recorded (real/oracle/quantity_corpus.py)."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.quantity import format_bytes, format_nanocores, milli, read
from real.oracle import quantity_corpus
from tests.support.go import answers_today

CASES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "go-quantities.jsonl").read_text().splitlines()
]


def test_there_are_cases_of_each_kind() -> None:
    for kind in ("nanocores", "bytes", "text"):
        assert sum(kind in case for case in CASES) > 200


def test_cpu_is_written_as_go_writes_it() -> None:
    for case in CASES:
        if "nanocores" in case:
            assert format_nanocores(case["nanocores"]) == case["go"]["text"]


def test_memory_is_written_as_go_writes_it() -> None:
    for case in CASES:
        if "bytes" in case:
            assert format_bytes(case["bytes"]) == case["go"]["text"]


def test_texts_are_read_as_go_reads_them() -> None:
    for case in CASES:
        if "text" not in case:
            continue
        number, told = read(case["text"]), case["go"]
        if "error" in told:
            assert number is None, case
            continue
        assert number is not None, case
        assert number == Fraction(told["number"]), case
        # Beyond, and below zero, Go's own numbers run over.
        if 0 <= number < 2**53:
            assert milli(number) == int(told["milli"]), case


def test_what_no_int64_holds_loses_its_last_digit() -> None:
    assert format_nanocores(2**64 - 1) == "18446744073709551610n"
    assert format_nanocores(2**63 - 1) == "9223372036854775807n"


@given(st.integers(0, 2**63 - 1))
def test_what_is_written_can_be_read_again(number: int) -> None:
    assert read(format_bytes(number)) == number
    assert read(format_nanocores(number)) == Fraction(number, 10**9)


@given(st.text(max_size=80))
def test_any_text_is_a_quantity_or_none(text: str) -> None:
    read(text)


@pytest.mark.needs_go
def test_go_still_gives_the_recorded_answers() -> None:
    asked = quantity_corpus.questions()
    assert [{**case, "go": None} for case in CASES] == [{**case, "go": None} for case in asked]
    assert answers_today(quantity_corpus.judged, asked) == [case["go"] for case in CASES]
