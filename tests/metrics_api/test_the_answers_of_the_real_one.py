"""What clients ask of a metrics server, answered by ours as the real one has answered it; each difference is said."""

import asyncio
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from tests.metrics_api.comparison import (
    RECORDED,
    Answer,
    all_requests,
    answers,
    compared_cluster,
    until_measured,
)
from tests.support.clocks import SteppedClock
from tests.support.server_in_loop import server_in_loop

HERE = Path(__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics-server.md"
REQUESTS = [asked.name for asked in all_requests()]
DIFFERENT: dict[str, list[str]] = yaml.safe_load(
    (HERE / "differences.yaml").read_text(encoding="utf-8")
)
"""The requests that are answered otherwise, by the reason."""


@pytest.fixture(scope="module")
def theirs() -> dict[str, Answer]:
    lines = map(json.loads, RECORDED.read_text(encoding="utf-8").splitlines())
    return {each.pop("request"): each for each in lines}


@pytest.fixture(scope="module")
def ours() -> dict[str, Answer]:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_asked(Path(folder)))


async def _asked(folder: Path) -> dict[str, Answer]:
    clock = SteppedClock(datetime.now(UTC))
    async with (
        compared_cluster(folder, lambda: clock.now().timestamp()) as cluster,
        server_in_loop(cluster, clock) as server,
    ):

        async def turn() -> None:
            await clock.pass_(1)
            await asyncio.sleep(0.005)

        roots, authorities = server.source.read().chain, cluster.authorities
        await until_measured(server.port, roots, authorities, turn)
        return await answers(server.port, roots, authorities)


def test_every_request_is_recorded(theirs: dict[str, Answer]) -> None:
    assert sorted(theirs) == sorted(REQUESTS), "run `python -m real.oracle.answers_corpus`"


@pytest.mark.parametrize("request_", REQUESTS)
def test_the_answer_is_the_real_ones_or_its_difference_is_told(
    request_: str, ours: dict[str, Answer], theirs: dict[str, Answer]
) -> None:
    reasons = [reason for reason, requests in DIFFERENT.items() if request_ in requests]
    if reasons:
        assert ours[request_] != theirs[request_], f"it is the same now: not {reasons}"
    else:
        assert ours[request_] == theirs[request_]


def test_at_most_ten_kinds_of_differences_are_left_and_each_is_told_with_its_reason() -> None:
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert [reason for reason in DIFFERENT if reason not in page] == []
    assert len(DIFFERENT) <= 10
    named = [name for requests in DIFFERENT.values() for name in requests]
    assert set(named) <= set(REQUESTS)
    assert len(named) == len(set(named))
