"""The cache of reviews: bounded in number and age; one question at a time; errors are not kept."""

import asyncio
from datetime import timedelta

import pytest

from kubevouch.serve.cache import AnswerCache
from tests.support.clocks import WoundClock


class Oracle:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go = asyncio.Event()
        self.go.set()
        self.breaks = False
        self.at_once = 0
        self.most_at_once = 0

    async def say(self, key: str) -> str:
        self.asked.append(key)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            await self.go.wait()
        finally:
            self.at_once -= 1
        if self.breaks:
            raise LookupError(key)
        return f"{key}{len(self.asked)}"


@pytest.fixture
def clock() -> WoundClock:
    return WoundClock()


@pytest.fixture
def cache(clock: WoundClock) -> AnswerCache[str, str]:
    return AnswerCache(clock, ttl=10, max_entries=3, concurrency=4)


async def asked(cache: AnswerCache[str, str], oracle: Oracle, key: str) -> str:
    return await cache.get(key, lambda: oracle.say(key))


async def test_an_answer_is_good_for_its_time(
    cache: AnswerCache[str, str], clock: WoundClock
) -> None:
    oracle = Oracle()
    assert await asked(cache, oracle, "a") == await asked(cache, oracle, "a") == "a1"
    clock.wind(timedelta(seconds=9.9))
    assert await asked(cache, oracle, "a") == "a1"
    clock.wind(timedelta(seconds=0.1))
    assert await asked(cache, oracle, "a") == "a2"


async def test_the_one_not_asked_for_longest_goes_first(cache: AnswerCache[str, str]) -> None:
    oracle = Oracle()
    for key in "abcad":
        await asked(cache, oracle, key)
    assert len(cache) == 3
    assert await asked(cache, oracle, "a") == "a1"
    assert await asked(cache, oracle, "b") == "b5"


async def test_many_who_ask_the_same_are_one_question(cache: AnswerCache[str, str]) -> None:
    oracle = Oracle()
    oracle.go.clear()
    waiting = [asyncio.create_task(asked(cache, oracle, "a")) for _ in range(5)]
    await asyncio.sleep(0)
    # One of them leaves: the others still get their answer.
    waiting[0].cancel()
    await asyncio.sleep(0)
    oracle.go.set()
    assert await asyncio.gather(*waiting[1:]) == ["a1"] * 4


async def test_a_question_for_which_nobody_waits_any_more_is_not_asked(
    cache: AnswerCache[str, str],
) -> None:
    """Whoever asks much and leaves leaves nothing behind: no queue, and no storm when it moves again. Who asks the same later gets an answer."""
    oracle = Oracle()
    oracle.go.clear()
    waiting = [asyncio.create_task(asked(cache, oracle, str(each))) for each in range(50)]
    await asyncio.sleep(0.01)
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    oracle.go.set()
    assert await asked(cache, oracle, "0") == "03"
    assert oracle.asked == ["0", "1", "0"]
    assert len(cache) == 1


async def test_not_more_than_so_many_questions_are_asked_at_once(
    cache: AnswerCache[str, str],
) -> None:
    oracle = Oracle()
    await asyncio.gather(*(asked(cache, oracle, str(each)) for each in range(20)))
    assert oracle.most_at_once <= 2
    assert len(oracle.asked) == 20


async def test_who_goes_first_waits_for_no_number_of_others(cache: AnswerCache[str, str]) -> None:
    """Whether the answer is to be kept or not."""
    oracle = Oracle()
    oracle.go.clear()
    others = [asyncio.create_task(asked(cache, oracle, str(each))) for each in range(20)]
    others += [
        asyncio.create_task(cache.ask(lambda: oracle.say("long"), first=False)) for _ in range(20)
    ]
    await asyncio.sleep(0.01)
    assert len(oracle.asked) == 2
    first = [
        asyncio.create_task(cache.get("a", lambda: oracle.say("a"), first=True)),
        asyncio.create_task(cache.ask(lambda: oracle.say("b"), first=True)),
    ]
    await asyncio.sleep(0.01)
    assert set(oracle.asked[2:]) == {"a", "b"}
    oracle.go.set()
    assert await asyncio.gather(*first) == ["a4", "b4"]
    await asyncio.gather(*others)


async def test_who_goes_first_does_not_wait_for_the_same_question_of_others(
    cache: AnswerCache[str, str],
) -> None:
    oracle = Oracle()
    oracle.go.clear()
    others = [asyncio.create_task(asked(cache, oracle, str(each))) for each in range(20)]
    await asyncio.sleep(0.01)
    first = asyncio.create_task(cache.get("19", lambda: oracle.say("19"), first=True))
    await asyncio.sleep(0.01)
    assert oracle.asked[2:] == ["19"]
    also = asyncio.create_task(asked(cache, oracle, "19"))
    await asyncio.sleep(0.01)
    assert oracle.asked[2:] == ["19"]
    oracle.go.set()
    assert await first == await also == "193"
    await asyncio.gather(*others)


async def test_an_error_is_everybodys_and_is_not_kept(cache: AnswerCache[str, str]) -> None:
    oracle = Oracle()
    oracle.breaks = True
    both = (asked(cache, oracle, "a"), asked(cache, oracle, "a"))
    assert [type(each) for each in await asyncio.gather(*both, return_exceptions=True)] == [
        LookupError,
        LookupError,
    ]
    oracle.breaks = False
    assert await asked(cache, oracle, "a") == "a2"
