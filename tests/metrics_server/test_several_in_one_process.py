"""Three metrics servers in one event loop, on a clock that stands still until it is wound: as the lab has them."""

import asyncio
import contextlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.authority import Pair
from tests.support.clocks import SteppedClock
from tests.support.server_in_loop import RESOLUTION, ServerInLoop, server_in_loop
from tests.support.small_cluster import METRICS, small_cluster


async def test_each_serves_the_same_and_ends_when_it_is_told_to(tmp_path: Path) -> None:
    clock = SteppedClock(datetime.now(UTC))
    before = asyncio.all_tasks()
    async with contextlib.AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(
            small_cluster(tmp_path, lambda: clock.now().timestamp())
        )
        servers = [
            await stack.enter_async_context(server_in_loop(cluster, clock)) for _ in range(3)
        ]
        front = cluster.authorities.front_proxy
        for server in servers:
            while len(await _nodes(server, front)) < 2:
                # A second of theirs takes a moment of ours: what was sent meanwhile has its turn.
                await clock.pass_(1)
                await asyncio.sleep(0.005)
            assert (await server.get("/readyz", front))[1] == "ok"
        first, *others = [await _nodes(server, front) for server in servers]
        assert [each["usage"]["memory"] for each in first] == ["123Mi", "123Mi"]
        assert all([each["metadata"]["name"] for each in other] == ["n1", "n2"] for other in others)
        assert all(not [line for line in server.lines if line[0] == "E"] for server in servers)
        # Without scrapes it is no longer alive, whoever still answers.
        clock.jump(_longer())
        assert "[-]metric-collection-timely failed" in (await servers[0].get("/livez", front))[1]
    for task in asyncio.all_tasks() - before:
        assert "serve" not in str(task), task


async def _nodes(server: ServerInLoop, pair: Pair) -> list[dict[str, dict[str, str]]]:
    items: list[dict[str, dict[str, str]]] = json.loads(
        (await server.get(f"{METRICS}/nodes", pair))[1]
    )["items"]
    return items


def _longer() -> timedelta:
    """Longer than every node's next scrape was away, and one and a half rounds more."""
    return timedelta(seconds=(1.5 + 1.5) * RESOLUTION + 1)
