"""Each kubelet has its own moments; a new one is dialled at once, one that failed soon, and none of those keeps others waiting."""

from collections import Counter
from datetime import timedelta

from kubevouch.inventory.act.dial_plan import AGAIN_AT_ONCE, FIRST_AGAIN, DialPlan
from kubevouch.kubelet.dial_result import Target
from tests.support.clocks import WoundClock

INTERVAL = 900.0


def target(name: str, address: str = "10.0.0.1") -> Target:
    return Target(address, node=name)


def plan(*names: str) -> tuple[WoundClock, DialPlan]:
    clock = WoundClock()
    made = DialPlan(clock, INTERVAL)
    for name in names:
        made.put(target(name))
    return clock, made


def dialled(found: DialPlan, *, failed: bool = False) -> list[str]:
    """Dials what is due, and says of each how it ended."""
    names = []
    for each in list(found):
        names.append(each.node)
        assert found.done(each, failed=failed)
    return names


def test_a_new_kubelet_is_dialled_at_once_and_then_once_in_each_interval() -> None:
    clock, found = plan("a", "b")
    assert sorted(dialled(found)) == ["a", "b"]
    # From here on at moments of the wall clock that follow from the name; the first comes within one and a half intervals.
    seen: Counter[str] = Counter()
    for _ in range(90 + 45):
        clock.wind(timedelta(seconds=10))
        seen.update(dialled(found))
    assert set(seen) == {"a", "b"}
    for _ in range(900):
        clock.wind(timedelta(seconds=10))
        seen.update(dialled(found))
    # 10,350 s are 11.5 intervals.
    assert all(10 <= count <= 12 for count in seen.values())


def test_many_kubelets_are_spread_over_the_interval() -> None:
    clock, found = plan(*(f"node-{number}" for number in range(1000)))
    assert len(dialled(found)) == 1000
    minutes = []
    for _ in range(45):
        clock.wind(timedelta(seconds=60))
        minutes.append(len(dialled(found)))
    assert sum(minutes[30:]) == 1000
    assert max(minutes[30:]) < 120


def test_one_that_failed_is_dialled_again_after_twice_as_long_up_to_the_interval() -> None:
    clock, found = plan("a")
    waits = []
    for _ in range(6):
        assert dialled(found, failed=True) == ["a"]
        waited = 0
        while not found._failed or found._failed[0][0] > clock.monotonic():
            clock.wind(timedelta(seconds=1))
            waited += 1
        waits.append(waited)
    assert waits[:4] == [FIRST_AGAIN, 2 * FIRST_AGAIN, 4 * FIRST_AGAIN, 8 * FIRST_AGAIN]
    assert all(INTERVAL / 2 <= each <= 1.5 * INTERVAL for each in waits[4:])


def test_those_that_failed_have_a_few_places_of_their_own() -> None:
    clock, found = plan(*(f"silent-{number}" for number in range(100)))
    dialled(found, failed=True)
    clock.wind(timedelta(seconds=FIRST_AGAIN))
    out = list(found)
    assert len(out) == AGAIN_AT_ONCE
    found.put(target("new"))
    assert [each.node for each in found] == ["new"]
    assert found.done(out[0], failed=True)
    assert len(list(found)) == 1


def test_a_node_that_says_it_is_elsewhere_again_and_again_is_dialled_once_at_a_time() -> None:
    """Each dial of an address that answers nobody takes a place for as long as its time limit: one node could have all."""
    _, found = plan("moves", "stays")
    assert [each.node for each in list(found)] == ["moves", "stays"]
    for number in range(50):
        found.put(target("moves", f"10.0.1.{number}"), now=True)
        assert list(found) == []
        if number % 2:
            # As where its Node has no address for a moment, or is made anew.
            found.remove("moves")
    assert not found.done(target("moves"), failed=True)
    found.put(target("moves", "10.0.2.1"))
    assert [each.address for each in list(found)] == ["10.0.2.1"]


def test_a_kubelet_that_has_moved_while_it_was_dialled_is_dialled_once_more() -> None:
    _, found = plan("moves")
    [before] = list(found)
    found.put(target("moves", "10.0.0.2"))
    assert list(found) == []
    assert not found.done(before, failed=True)
    [after] = list(found)
    assert after.address == "10.0.0.2"
    assert found.done(after, failed=False)
    assert list(found) == []
    assert found.unasked == 0


def test_what_is_gone_is_not_dialled_and_leaves_nothing() -> None:
    clock, found = plan("a", "b")
    (first, second) = list(found)
    found.remove(first.node)
    assert not found.done(first, failed=True)
    assert found.done(second, failed=True)
    found.remove(second.node)
    clock.wind(timedelta(seconds=4 * INTERVAL))
    assert list(found) == []
    assert (found.unasked, found.late) == (0, 0.0)
    assert found._planned == {}


def test_it_is_said_how_late_the_latest_is() -> None:
    clock, found = plan("a")
    clock.wind(timedelta(seconds=50))
    assert found.late == 50.0
    dialled(found)
    assert found.late == 0.0


def test_one_that_is_hurried_while_it_is_dialled_is_dialled_once_more() -> None:
    """Its new certificate may have come after the handshake."""
    clock, found = plan("a")
    for failed in (False, True):
        [out] = list(found)
        found.hurry("a", 5.0)
        clock.wind(timedelta(seconds=5))
        assert list(found) == []
        assert found.done(out, failed=failed)
    assert dialled(found) == ["a"]
    assert dialled(found) == []


def test_one_that_is_hurried_is_dialled_then() -> None:
    clock, found = plan("a")
    dialled(found)
    found.hurry("a", 10.0)
    assert list(found) == []
    clock.wind(timedelta(seconds=10))
    assert dialled(found) == ["a"]


def test_one_that_is_hurried_just_before_its_regular_dial_is_dialled_once_more() -> None:
    """A CSR was issued five seconds before the regular dial: that dial may still see the former certificate."""
    clock, found = plan("a")
    dialled(found)
    while not (out := list(found)):
        clock.wind(timedelta(seconds=1))
    [one] = out
    assert found.done(one, failed=False)
    waited = 0
    while not (out := list(found)):  # how long an interval is from here
        clock.wind(timedelta(seconds=1))
        waited += 1
    assert found.done(out[0], failed=False)
    clock.wind(timedelta(seconds=waited - 5))
    found.hurry("a", 10.0)  # Kubelets.dial_soon: its certificate is served within ten seconds
    clock.wind(timedelta(seconds=6))
    [early] = list(found)  # the regular dial, one second past its moment, five after the CSR
    assert found.done(early, failed=False)
    clock.wind(timedelta(seconds=10))
    assert [each.node for each in found] == ["a"]
