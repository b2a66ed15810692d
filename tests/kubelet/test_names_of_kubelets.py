"""Names are resolved in threads of their own, so many at once, and who does not wait for one is not delayed by it."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from kubevouch.kubelet.dial_result import Target
from kubevouch.kubelet.io.dial import dial_all
from kubevouch.kubelet.io.names import NameResolver, Place
from kubevouch.system_clock import SystemClock
from kubevouch.tls import FailureKind
from tests.support.clocks import WoundClock


class Resolver:
    """The system's resolver, as far as a thread sees it: it blocks until it is let go, or says what the test says."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.let_go = threading.Event()
        self.error: OSError | None = None
        self.address = "192.0.2.1"

    def __call__(self, host: str) -> list[Place]:
        self.asked.append(host)
        if host.startswith("slow"):
            assert self.let_go.wait(60)
        if self.error is not None:
            raise self.error
        return [(socket.AF_INET, (self.address, 0)), (socket.AF_INET6, ("2001:db8::1", 0, 0, 0))]


@pytest.fixture
def system() -> Iterator[Resolver]:
    made = Resolver()
    yield made
    made.let_go.set()


async def test_each_address_comes_with_the_port(system: Resolver) -> None:
    found = await NameResolver(SystemClock(), look_up=system).places("n1", 10250)
    assert found == [
        (socket.AF_INET, ("192.0.2.1", 10250)),
        (socket.AF_INET6, ("2001:db8::1", 10250, 0, 0)),
    ]


async def test_the_machines_own_resolver_is_asked() -> None:
    found = await NameResolver(SystemClock()).places("localhost", 10250)
    assert {place[0] for _, place in found} <= {"127.0.0.1", "::1"}
    assert found
    with pytest.raises(socket.gaierror):
        await NameResolver(SystemClock()).places("no.such.name.invalid", 10250)
    with pytest.raises(UnicodeError):
        await NameResolver(SystemClock()).places("x" * 64 + ".example", 10250)


async def test_asyncios_own_pool_may_be_full(system: Resolver) -> None:
    loop = asyncio.get_running_loop()
    full = [loop.run_in_executor(None, system.let_go.wait, 60) for _ in range(100)]
    async with asyncio.timeout(30):
        assert await NameResolver(SystemClock(), look_up=system).places("n1", 1)
    system.let_go.set()
    await asyncio.gather(*full)


async def test_a_slow_name_ends_after_its_time_and_delays_no_other(system: Resolver) -> None:
    names = NameResolver(SystemClock(), look_up=system, time_limit=0.05)
    for _ in range(3):
        with pytest.raises(socket.gaierror) as caught:
            await names.places("slow", 1)
        assert caught.value.errno == socket.EAI_AGAIN
        assert await _in_the_end(names, "n1")
    # The first lookup still runs: a second one would wait as long.
    assert system.asked.count("slow") == 1
    system.let_go.set()
    assert await _in_the_end(names, "slow")


async def _in_the_end(names: NameResolver, host: str) -> list[Place]:
    """As often as it takes: on a busy machine the time limit may be over before a thread has begun."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(socket.gaierror):
                return await names.places(host, 1)


async def test_no_more_threads_than_allowed_wait_for_the_system(system: Resolver) -> None:
    names = NameResolver(SystemClock(), look_up=system, at_once=3, time_limit=60)
    before = threading.active_count()
    asked = [asyncio.create_task(names.places(f"slow-{number}", 1)) for number in range(20)]
    async with asyncio.timeout(30):
        while len(system.asked) < 3:
            await asyncio.sleep(0.001)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(system.asked) == 3
    assert threading.active_count() - before <= 3
    system.let_go.set()
    assert len(await asyncio.gather(*asked)) == 20


async def test_where_no_thread_can_be_started_a_name_is_asked_for_again_later(
    system: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod may have so many processes and no more. More often than there are places at once."""
    resolver = NameResolver(SystemClock(), look_up=system, at_once=2)

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        for _ in range(3):
            with pytest.raises(socket.gaierror) as caught:
                await resolver.places("n1", 10250)
            assert caught.value.errno == socket.EAI_AGAIN
    assert await resolver.places("n1", 10250)


async def test_names_that_take_long_keep_no_other_name_from_being_resolved(
    system: Resolver,
) -> None:
    """A node gives itself names that its own DNS never answers for, others each time."""
    names = NameResolver(SystemClock(), look_up=system, at_once=10, time_limit=0.05)
    asked = [asyncio.create_task(names.places(f"slow-{number}", 1)) for number in range(8)]
    assert await _in_the_end(names, "n1")
    await asyncio.wait(asked)
    assert all(isinstance(each.exception(), socket.gaierror) for each in asked)


async def test_of_names_that_nobody_waits_for_few_are_still_resolved(
    system: Resolver,
) -> None:
    names = NameResolver(SystemClock(), look_up=system, at_once=5, time_limit=0.05)
    before = threading.active_count()
    for part in range(5):
        asked = [names.places(f"slow-{part}-{number}", 1) for number in range(20)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(each, socket.gaierror) for each in found)
    async with asyncio.timeout(30):
        while len(names._running) > 5:
            await asyncio.sleep(0.01)
    assert len(system.asked) <= 5
    assert threading.active_count() - before <= 5
    system.let_go.set()
    assert await _in_the_end(names, "n1")


async def test_an_answer_is_used_for_a_while_or_longer_if_it_is_the_last(
    system: Resolver,
) -> None:
    clock = WoundClock()
    names = NameResolver(clock, look_up=system)

    async def address() -> str:
        [(_, place), _] = await names.places("n1", 1)
        return str(place[0])

    assert await address() == "192.0.2.1"
    system.address = "192.0.2.2"
    clock.wind(timedelta(seconds=29))
    assert await address() == "192.0.2.1"
    clock.wind(timedelta(seconds=1))
    assert await address() == "192.0.2.2"
    system.error = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    clock.wind(timedelta(seconds=599))
    assert await address() == "192.0.2.2"
    clock.wind(timedelta(seconds=1))
    with pytest.raises(socket.gaierror):
        await address()


async def test_while_every_place_is_taken_a_name_keeps_its_addresses(
    system: Resolver,
) -> None:
    clock = WoundClock()
    names = NameResolver(clock, look_up=system, at_once=3, time_limit=0.05)
    before = await _in_the_end(names, "n1")
    for part in range(5):
        slow = [names.places(f"slow-{part}-{number}", 1) for number in range(20)]
        await asyncio.gather(*slow, return_exceptions=True)
    clock.wind(timedelta(seconds=599))
    assert await names.places("n1", 1) == before
    with pytest.raises(socket.gaierror):
        await names.places("n2", 1)


async def test_what_is_gone_is_gone_at_once(system: Resolver) -> None:
    clock = WoundClock()
    names = NameResolver(clock, look_up=system)
    await names.places("n1", 1)
    system.error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    clock.wind(timedelta(seconds=30))
    with pytest.raises(socket.gaierror, match="not known"):
        await names.places("n1", 1)


async def test_what_is_forgotten_is_asked_anew(system: Resolver) -> None:
    names = NameResolver(WoundClock(), look_up=system)
    await names.places("n1", 1)
    names.forget("n1")
    await names.places("n1", 1)
    assert system.asked == ["n1", "n1"]


def test_a_process_ends_although_a_resolver_does_not_answer() -> None:
    program = """
import asyncio, socket, threading
from kubevouch.kubelet.io.names import NameResolver
from kubevouch.system_clock import SystemClock

async def main():
    names = NameResolver(SystemClock(), look_up=lambda _: threading.Event().wait(), time_limit=0.01)
    try:
        await names.places("n1", 1)
    except socket.gaierror:
        print("in vain")

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, timeout=60, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "in vain\n", "")


@pytest.mark.parametrize("letter", ["e", "é", "\n"])
async def test_what_is_longer_than_any_name_is_not_looked_up(system: Resolver, letter: str) -> None:
    """A Node has room for addresses of a megabyte: to encode one takes seconds, in which nothing else goes on."""
    clock = SystemClock()
    target = Target(f"{letter}." * 100_000)
    [answer] = await asyncio.create_task(dial_all([target], clock=clock, timeout=60))
    with pytest.raises(socket.gaierror):
        await NameResolver(clock, look_up=system).places(target.address, 1)
    assert answer.failure is not None
    assert answer.failure.kind is FailureKind.NAME_UNKNOWN
    assert len(answer.failure.go_text) < 1000
    assert system.asked == []


async def test_of_names_that_nobody_asks_for_any_more_nothing_is_kept(system: Resolver) -> None:
    clock = WoundClock()
    names = NameResolver(clock, look_up=system)
    for number in range(50):
        await names.places(f"n{number}", 1)
        clock.wind(timedelta(seconds=60))
    assert len(names._kept) <= 11
