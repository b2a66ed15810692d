"""A test of many recorded cases fails for any of them, and names each that is wrong (tests/support/rows.py)."""

import pytest

from tests.support.rows import of_each


def test_every_case_is_judged_and_each_that_is_wrong_is_named() -> None:
    judged: list[int] = []

    @of_each(range(10), lambda number: f"case {number}")
    def test(number: int) -> None:
        judged.append(number)
        assert number != 3
        if number == 7:
            raise KeyError(number)
        with pytest.raises(ValueError, match="x"):
            int("x" if number != 8 else "8")

    with pytest.raises(BaseExceptionGroup) as failure:
        test()
    assert judged == list(range(10))
    assert str(failure.value).startswith("3 of 10: ['case 3', 'case 7', 'case 8']")
    assert list(map(type, failure.value.exceptions[:2])) == [AssertionError, KeyError]


def test_where_all_are_right_it_passes() -> None:
    of_each([1, 2], str)(lambda _: None)()


def test_a_recording_without_cases_is_no_test() -> None:
    with pytest.raises(AssertionError):
        of_each([], str)
