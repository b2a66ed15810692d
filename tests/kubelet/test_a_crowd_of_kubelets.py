"""Many kubelets at a time, in bounded memory: counted, not timed."""

import asyncio
import contextlib
import resource
import ssl
from collections.abc import Iterator

import pytest

from kubevouch.kubelet.dial_result import Target
from kubevouch.kubelet.io.dial import dial, dial_all
from kubevouch.system_clock import SystemClock
from kubevouch.tls import FailureKind
from tests.support.scripted.kubelet import NO_CERTIFICATE, SILENCE, ScriptedKubelet, Serve
from tests.support.unhurried import until


class Counted:
    """An endless supply of targets that knows how many were taken."""

    def __init__(self, kubelet: ScriptedKubelet, number: int) -> None:
        self._kubelet = kubelet
        self._number = number
        self.taken = 0

    def __iter__(self) -> Iterator[Target]:
        for number in range(self._number):
            self.taken += 1
            yield Target(self._kubelet.host, node=f"n{number}", port=self._kubelet.port)


async def test_thousands_are_dialled_and_never_more_than_allowed_are_under_way(
    clock: SystemClock,
) -> None:
    async with ScriptedKubelet(NO_CERTIFICATE, clock) as kubelet:
        targets = Counted(kubelet, 4000)
        nodes: set[str] = set()
        most = 0
        async with contextlib.aclosing(
            dial(targets, clock=clock, concurrency=150, timeout=60)
        ) as answers:
            async for answer in answers:
                most = max(most, targets.taken - len(nodes))
                nodes.add(answer.target.node)
                assert answer.failure is not None
                assert answer.failure.kind is FailureKind.ALERT
    assert len(nodes) == 4000
    assert most == 150


async def test_whole_handshakes_in_a_crowd_send_nothing(
    serving: ssl.SSLContext, clock: SystemClock
) -> None:
    async with ScriptedKubelet(Serve(serving), clock) as kubelet:
        answers = await dial_all(Counted(kubelet, 300), clock=clock, concurrency=100, timeout=60)
        assert [answer.failure for answer in answers] == [None] * 300
        assert len(kubelet.seen) == 300
        assert kubelet.sent == b""


async def test_a_slow_consumer_slows_the_dialling(clock: SystemClock) -> None:
    async with ScriptedKubelet(NO_CERTIFICATE, clock) as kubelet:
        targets = Counted(kubelet, 500)
        async with contextlib.aclosing(
            dial(targets, clock=clock, concurrency=10, timeout=60)
        ) as answers:
            await anext(answers)
            await until(lambda: len(kubelet.seen) >= 10 and not kubelet.open)
            assert targets.taken == 10
            await anext(answers)
            assert targets.taken == 11


async def test_leaving_early_leaves_nothing_behind(clock: SystemClock) -> None:
    async with ScriptedKubelet(SILENCE, clock) as kubelet:
        before = asyncio.all_tasks()
        answers = dial(Counted(kubelet, 50), clock=clock, concurrency=20, timeout=0.3)
        async with contextlib.aclosing(answers):
            await anext(answers)
        left = [
            task
            for task in asyncio.all_tasks() - before
            if "dial" in str(task.get_coro().__qualname__)  # type: ignore[union-attr]
        ]
        assert left == []
        await until(lambda: not kubelet.open)


async def test_targets_that_raise_end_the_dialling_and_close_what_is_open(
    clock: SystemClock,
) -> None:
    async with ScriptedKubelet(SILENCE, clock) as kubelet:

        def broken() -> Iterator[Target]:
            yield from Counted(kubelet, 5)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await dial_all(broken(), clock=clock, timeout=60)
        await until(lambda: not kubelet.open)


async def test_where_few_files_may_be_open_fewer_are_dialled_at_a_time(
    clock: SystemClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (72, 4096))
    async with ScriptedKubelet(NO_CERTIFICATE, clock) as kubelet:
        targets = Counted(kubelet, 100)
        async with contextlib.aclosing(dial(targets, clock=clock, timeout=60)) as answers:
            await anext(answers)
            assert targets.taken == 8


async def test_one_that_hangs_holds_nobody_up(serving: ssl.SSLContext, clock: SystemClock) -> None:
    async with (
        ScriptedKubelet(SILENCE, clock) as silent,
        ScriptedKubelet(Serve(serving), clock) as good,
    ):
        targets = [Target(silent.host, "silent", silent.port)]
        targets += [Target(good.host, f"n{number}", good.port) for number in range(5)]
        answers = await dial_all(targets, clock=clock, concurrency=2, timeout=5)
    assert [answer.target.node for answer in answers][-1] == "silent"
    assert answers[-1].failure is not None
    assert all(answer.failure is None for answer in answers[:-1])
