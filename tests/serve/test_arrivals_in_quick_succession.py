"""While one arrival follows another, an event loop takes those of a few milliseconds together, and holds back nothing else."""

import asyncio
import contextlib
import functools
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from kubevouch.cli.common.event_loop import run_loop
from kubevouch.serve.gathering import ENOUGH, GATHERING, SUCCESSION, GatheringSelector
from kubevouch.system_clock import SystemClock
from tests.support.clocks import WoundClock
from tests.support.unhurried import GENEROUS

Pair = tuple[socket.socket, socket.socket]


class Selected:
    """A selector with two sockets, and what happens while it pauses."""

    def __init__(self, pairs: list[Pair]) -> None:
        self.clock = WoundClock()
        self.pauses: list[float] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.selector = GatheringSelector(self.clock.monotonic, self._pause)
        self.pairs = pairs
        for own, _ in pairs:
            self.selector.register(own, selectors.EVENT_READ)

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.meanwhile()

    def arrives_at(self, number: int) -> None:
        self.pairs[number][1].send(b"x")

    def taken(self, timeout: float | None = GENEROUS) -> list[int]:
        """The numbers of the sockets that the selector reports. What has arrived at them is read."""
        ready = [key.fileobj for key, _ in self.selector.select(timeout)]
        told = [number for number, (own, _) in enumerate(self.pairs) if own in ready]
        for number in told:
            self.pairs[number][0].recv(10)
        return told


@pytest.fixture
def two() -> Iterator[Selected]:
    pairs = [socket.socketpair() for _ in range(2)]
    selected = Selected(pairs)
    yield selected
    selected.selector.close()
    for own, peer in pairs:
        own.close()
        peer.close()


@contextlib.contextmanager
def full_socket() -> Iterator[socket.socket]:
    """A socket to which nothing more can be written, since its peer reads nothing."""
    own, peer = socket.socketpair()
    with own, peer:
        own.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                own.send(bytes(65536))
        yield own


async def test_what_arrives_alone_is_taken_at_once(two: Selected) -> None:
    for _ in range(3):
        two.arrives_at(0)
        assert two.taken() == [0]
        two.clock.wind(timedelta(seconds=SUCCESSION))
    assert two.pauses == []


async def test_what_follows_other_arrivals_is_taken_with_what_comes_after_it(two: Selected) -> None:
    two.arrives_at(0)
    assert two.taken() == [0]
    two.meanwhile = functools.partial(two.arrives_at, 1)
    two.arrives_at(0)
    assert two.taken() == [0, 1]
    assert two.pauses == [GATHERING]


async def test_nothing_is_held_back_from_whoever_has_something_to_do(two: Selected) -> None:
    two.arrives_at(0)
    assert two.taken() == [0]
    two.arrives_at(0)
    assert two.taken(timeout=0) == [0]
    assert two.pauses == []


async def test_nothing_is_held_back_while_something_is_to_be_written(two: Selected) -> None:
    with full_socket() as stuck:

        def arrive() -> None:
            two.arrives_at(0)
            assert two.taken() == [0]

        two.selector.register(stuck, selectors.EVENT_READ | selectors.EVENT_WRITE)
        arrive()
        arrive()
        assert two.pauses == []
        two.selector.modify(stuck, selectors.EVENT_READ)
        arrive()
        assert len(two.pauses) == 1
        two.selector.modify(stuck, selectors.EVENT_READ | selectors.EVENT_WRITE)
        arrive()
        assert len(two.pauses) == 1
        two.selector.unregister(stuck)
        arrive()
        assert len(two.pauses) == 2


async def test_a_node_that_does_not_let_itself_be_connected_to_changes_nothing(
    two: Selected,
) -> None:
    with full_socket() as connecting:
        two.selector.register(connecting, selectors.EVENT_WRITE)
        for _ in range(2):
            two.arrives_at(0)
            assert two.taken() == [0]
        assert two.pauses == [GATHERING]


async def test_a_timer_that_runs_out_soon_is_not_late(two: Selected) -> None:
    for _ in range(2):
        two.arrives_at(0)
        assert two.taken(timeout=0.001) == [0]
    assert two.pauses == [0.001]


async def test_where_much_has_arrived_nothing_more_is_waited_for() -> None:
    pairs = [socket.socketpair() for _ in range(ENOUGH)]
    many = Selected(pairs)
    try:
        for _ in range(2):
            for number in range(ENOUGH):
                many.arrives_at(number)
            assert len(many.taken()) == ENOUGH
        assert many.pauses == []
    finally:
        many.selector.close()
        for own, peer in pairs:
            own.close()
            peer.close()


def test_an_event_loop_with_it_misses_nothing() -> None:
    async def work() -> bytes:
        own, peer = socket.socketpair()
        own.setblocking(False)
        with own, peer:
            loop, received = asyncio.get_running_loop(), b""

            def send() -> None:
                for _ in range(200):
                    time.sleep(0.001)
                    peer.send(b"x")

            sending = loop.run_in_executor(None, send)
            async with asyncio.timeout(GENEROUS):
                while len(received) < 200:
                    received += await loop.sock_recv(own, 1000)
                await sending
            return received

    machine = SystemClock()
    made: list[GatheringSelector] = []

    def selector() -> GatheringSelector:
        made.append(GatheringSelector(machine.monotonic, machine.pause))
        return made[0]

    assert run_loop(work(), selector) == b"x" * 200
    assert len(made) == 1
