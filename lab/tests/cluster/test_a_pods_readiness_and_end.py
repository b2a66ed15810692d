"""Readiness as a kubelet asks for it: as patient, and after as many failures, as the pod's own probe says; and the end of a pod."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from kubevouch.system_clock import SystemClock
from kubevouch_lab.cluster.pod_servers import PodServer, PodServers
from tests.support.authority import Authority
from tests.support.contexts import server_context
from tests.support.unhurried import GENEROUS

ADDRESS = "127.0.0.1"


class Answers:
    """A program whose /readyz answers with what is next, seconds and status; the last one from then on."""

    def __init__(self, *answers: tuple[float, int]) -> None:
        self._next = list(answers)
        self.asked = 0
        self.port = 0

    def runs_in(self, _: object) -> bool:
        return True

    async def run(self, _: PodServer) -> None:
        await asyncio.get_running_loop().create_future()

    async def _answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        seconds, status = self._next.pop(0) if len(self._next) > 1 else self._next[0]
        await asyncio.sleep(seconds)
        return web.Response(status=status)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_get("/readyz", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        tls = server_context(Authority().serving(ADDRESS))
        site = web.TCPSite(runner, ADDRESS, 0, ssl_context=tls)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield
        finally:
            await runner.cleanup()


def pod(port: int, **probe: int) -> dict[str, Any]:
    asked = {"scheme": "HTTPS", "path": "/readyz", "port": port}
    container = {"name": "c", "readinessProbe": {"httpGet": asked, **probe}}
    return {
        "metadata": {"name": "p", "namespace": "ns", "uid": "u"},
        "spec": {"containers": [container]},
    }


async def seen(program: Answers, until: Callable[[list[bool]], bool], **probe: int) -> list[bool]:
    """Whether it was ready, change by change, until that."""
    found: list[bool] = []
    async with program.served():
        servers, asked = PodServers((program,), SystemClock()), pod(program.port, **probe)

        def changed() -> None:
            found.append(servers.state(asked, ADDRESS, changed).ready)

        servers.state(asked, ADDRESS, changed)
        try:
            async with asyncio.timeout(GENEROUS):
                while not until(found):
                    await asyncio.sleep(0.05)
        finally:
            await servers.stop()
    return found


@pytest.mark.parametrize(
    ("answers", "probe", "expected"),
    [
        ([(1.5, 200)], {}, [True]),
        ([(0, 500), (0, 200)], {}, [True]),
        ([(0, 200), *[(0, 500)] * 2, (0, 200)], {}, [True]),
        ([(0, 200), *[(0, 500)] * 3, (0, 200)], {}, [True, False, True]),
        ([(0, 200), (0, 500), (0, 200)], {"failureThreshold": 1}, [True, False, True]),
        ([(0, 200), *[(0, 500)] * 3, (0, 200)], {"failureThreshold": 4}, [True]),
    ],
    ids=["slow", "at first not", "two failures", "three", "one is enough", "three are not enough"],
)
async def test_readiness_is_lost_after_as_many_failures_in_a_row_as_the_probe_says(
    answers: list[tuple[float, int]], probe: dict[str, int], expected: list[bool]
) -> None:
    """Kubernetes asks three times unless it is told otherwise; and waits for an answer as long as the probe says."""
    program, until = Answers(*answers), len(answers) + 1
    found = await seen(program, lambda _: program.asked >= until, timeoutSeconds=60, **probe)
    assert found == expected


class TimesOut(Answers):
    """A program with a request that times out in the moment in which it is cancelled: what comes out is a TimeoutError."""

    runs = 0

    async def run(self, server: PodServer) -> None:
        self.runs += 1
        try:
            await super().run(server)
        except asyncio.CancelledError:
            raise TimeoutError("the request") from None


async def test_a_program_that_mistakes_its_cancellation_is_not_started_again() -> None:
    program = TimesOut()
    servers = PodServers((program,), SystemClock())
    servers.state(pod(0), ADDRESS, lambda: None)
    await asyncio.sleep(0)
    async with asyncio.timeout(GENEROUS):
        await servers.stop()
    assert program.runs == 1
    assert not servers.ends("u")
