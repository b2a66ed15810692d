"""Recordings of hundreds of small cases: one test judges them all, since pytest takes longer about a test than such a case takes."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

Case = TypeVar("Case")
_SHOWN = 5
_LONGEST = 2000


def of_each(
    cases: Sequence[Case], name: Callable[[Case], str]
) -> Callable[[Callable[[Case], None]], Callable[[], None]]:
    """Makes one test of a judge of one case. It names every case that is wrong, and shows the first few of them."""
    assert cases

    def test_of(judge: Callable[[Case], None]) -> Callable[[], None]:
        def test() -> None:
            wrong = {name(case): error for case in cases if (error := _error_of(judge, case))}
            shown = [f"{each}: {text}" for each, text in list(wrong.items())[:_SHOWN]]
            assert not wrong, "\n\n".join([f"{len(wrong)} of {len(cases)}: {list(wrong)}", *shown])

        return test

    return test_of


def _error_of(judge: Callable[[Case], None], case: Case) -> str:
    try:
        judge(case)
    except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - whatever it is, the other cases are judged, too
        return f"{type(error).__name__}: {error}"[:_LONGEST]
    return ""
