"""A cause is told in time, late or never; an alert that no cause explains is false."""

from collections.abc import Iterable

import pytest

from year.causes import Cause, Told, false_alerts, told
from year.prometheus import Firing

HELD = Cause("a hostile CSR", 1000, {"Held": 120}, frozenset({"Pending"}), end=2000)


@pytest.mark.parametrize(
    ("fired", "slowest", "missed"),
    [
        ([Firing("Held", "", 1100, 2010)], 100, 0),
        ([Firing("Held", "", 1200, 2010)], 200, 1),
        ([], 0, 1),
        ([Firing("Held", "", 100, 900), Firing("Held", "", 2100, 2200)], 0, 1),
    ],
    ids=["in time", "late", "never", "before and after"],
)
def test_how_a_cause_was_told(fired: list[Firing], slowest: float, missed: int) -> None:
    assert list(told([HELD], fired)) == [Told("a hostile CSR", 1, "Held", slowest, missed)]


def test_causes_of_one_name_are_one_line() -> None:
    again = Cause("a hostile CSR", 5000, {"Held": 120}, end=6000)
    fired = [Firing("Held", "", 1010, 1500), Firing("Held", "", 5090, 5500)]
    assert list(told([HELD, again], fired)) == [Told("a hostile CSR", 2, "Held", 90, 0)]


@pytest.mark.parametrize(
    ("firing", "is_false"),
    [
        (Firing("Pending", "", 1500, 2500), False),
        (Firing("Pending", "", 1500, 2700), True),
        (Firing("Pending", "", 900, 1500), True),
        (Firing("Dark", "n", 1500, 1600), True),
    ],
    ids=["brought with it", "goes on for too long", "before it", "of another thing"],
)
def test_what_no_cause_explains_is_false(firing: Firing, is_false: bool) -> None:
    found: Iterable[Firing] = false_alerts([HELD], [firing])
    assert list(found) == [firing] * is_false
