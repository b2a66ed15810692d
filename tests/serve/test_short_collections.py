"""A process that holds much for long does not look at all of it again and again for garbage."""

import gc
import weakref
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import pytest

from kubevouch.serve import garbage
from kubevouch.serve.garbage import (
    FIRST_LISTED,
    MOST_MORE,
    MOST_SURVIVORS,
    SurvivorFreezer,
    keep_full_collections_short,
)
from tests.support.clocks import WoundClock


@pytest.fixture
def clock() -> WoundClock:
    return WoundClock()


@pytest.fixture(autouse=True)
def as_in_the_server(clock: WoundClock) -> Iterator[None]:
    thresholds, callbacks = gc.get_threshold(), list(gc.callbacks)
    # What this process holds so far is not the test's.
    gc.collect()
    gc.freeze()
    keep_full_collections_short(clock)
    yield
    gc.callbacks[:] = callbacks
    gc.set_threshold(*thresholds)


class Held:
    """Something that could be part of a cycle."""


def test_what_has_survived_one_full_collection_is_looked_at_by_no_other() -> None:
    before, held = gc.get_freeze_count(), [Held() for _ in range(MOST_SURVIVORS)]
    gc.collect()
    assert gc.get_freeze_count() >= before + len(held)
    assert not any(isinstance(each, Held) for each in gc.get_objects())


def test_it_goes_when_nothing_refers_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "MOST_SURVIVORS", 0)
    held = Held()
    seen = weakref.ref(held)
    gc.collect()
    assert gc.get_freeze_count()
    del held
    assert seen() is None


def test_garbage_is_found_before_anything_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "MOST_SURVIVORS", 0)
    cycle = Held()
    cycle.__dict__["itself"] = cycle
    seen = weakref.ref(cycle)
    del cycle
    gc.collect()
    assert seen() is None


def test_a_cycle_that_dies_after_it_was_taken_out_goes_before_there_are_many(
    monkeypatch: pytest.MonkeyPatch, clock: WoundClock
) -> None:
    monkeypatch.setattr(garbage, "MOST_SURVIVORS", 0)
    clock.wind(timedelta(seconds=FIRST_LISTED))
    cycle = Held()
    seen = weakref.ref(cycle)
    gc.collect()
    assert gc.get_freeze_count()
    cycle.__dict__["itself"] = cycle
    del cycle
    gc.collect()
    assert seen() is not None
    more = [Held() for _ in range(max(MOST_MORE, gc.get_freeze_count()))]
    gc.collect()
    gc.collect()
    assert seen() is None
    # And from then on it is as before.
    assert gc.get_freeze_count() >= len(more)
    frozen = gc.get_freeze_count()
    gc.collect()
    assert gc.get_freeze_count() >= frozen


def test_while_a_cluster_is_listed_first_nothing_is_looked_at_twice_however_much_it_is(
    monkeypatch: pytest.MonkeyPatch, clock: WoundClock
) -> None:
    monkeypatch.setattr(garbage, "MOST_SURVIVORS", 0)
    held: list[Held] = []
    frozen = [gc.get_freeze_count()]
    for _ in range(3):
        held += [Held() for _ in range(2 * MOST_MORE)]
        gc.collect()
        frozen.append(gc.get_freeze_count())
    assert all(after > before + MOST_MORE for before, after in pairwise(frozen))
    # That is what the cluster holds: afterwards only half as much again is too much.
    clock.wind(timedelta(seconds=FIRST_LISTED))
    held += [Held() for _ in range(MOST_MORE)]
    gc.collect()
    assert gc.get_freeze_count() > frozen[-1]


def test_of_little_nothing_is_taken_out() -> None:
    before, held = gc.get_freeze_count(), Held()
    gc.collect()
    assert held in gc.get_objects()
    assert gc.get_freeze_count() <= before


def test_to_ask_for_it_twice_changes_nothing() -> None:
    keep_full_collections_short(WoundClock())
    assert sum(isinstance(each, SurvivorFreezer) for each in gc.callbacks) == 1
