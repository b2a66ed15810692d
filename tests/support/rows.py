"""Cheap rows in one test: what pytest does for a test of its own takes longer than they do."""

from collections.abc import Callable, Collection
from typing import TypeVar

T = TypeVar("T")


def of_each(
    rows: Collection[T], named: Callable[[T], object] = lambda row: row
) -> Callable[[Callable[[T], None]], Callable[[], None]]:
    """Makes one test of one that takes a row; each row that fails is told by its name."""

    def of(test: Callable[[T], None]) -> Callable[[], None]:
        def all_of_them() -> None:
            assert rows
            failed = list[Exception]()
            for row in rows:
                try:
                    test(row)
                except Exception as error:  # noqa: BLE001 - raised below, with all others
                    error.add_note(f"of {named(row)}")
                    failed.append(error)
            if failed:
                raise ExceptionGroup(f"{len(failed)} rows", failed)

        all_of_them.__doc__ = test.__doc__
        return all_of_them

    return of
