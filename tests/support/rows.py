"""Tables: cheap rows in one test, and rows that the long tier alone tries."""

from collections.abc import Callable, Collection
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


def only_long(*row: object) -> Any:
    """A row of a parametrized test that `make real-long` runs, and nothing else."""
    return pytest.param(*row, marks=pytest.mark.long)


_SHOWN = 5


def of_each(
    rows: Collection[T], named: Callable[[T], object] = lambda row: row
) -> Callable[[Callable[[T], None]], Callable[[], None]]:
    """Makes one test of one that takes a row, since pytest takes longer for a test than that for a row.

    Each row that fails is named, and the errors of the first few are shown.
    """
    assert rows

    def of(test: Callable[[T], None]) -> Callable[[], None]:
        def all_of_them() -> None:
            failed = dict[str, BaseException]()
            for row in rows:
                try:
                    test(row)
                except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - raised below
                    failed[str(named(row))] = error
                    error.add_note(f"of {named(row)}")
            if failed:
                text = f"{len(failed)} of {len(rows)}: {list(failed)}"
                raise BaseExceptionGroup(text, list(failed.values())[:_SHOWN])

        all_of_them.__doc__ = test.__doc__
        return all_of_them

    return of
