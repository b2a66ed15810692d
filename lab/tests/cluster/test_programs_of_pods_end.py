"""What runs in a pod ends with it, whatever became of its cancellation."""

import asyncio
from typing import Any

from kubevouch.system_clock import SystemClock
from kubevouch_lab.cluster.pod_servers import PodServer, PodServers
from tests.support.unhurried import GENEROUS

POD: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "ns", "uid": "u"},
    "spec": {"containers": [{"name": "c"}]},
}


class TimesOut:
    """A program with a request that times out in the moment in which it is cancelled: what comes out is a TimeoutError."""

    def __init__(self) -> None:
        self.runs = 0

    def runs_in(self, _: object) -> bool:
        return True

    async def run(self, _: PodServer) -> None:
        self.runs += 1
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            raise TimeoutError("the request") from None


async def test_a_program_that_takes_its_cancellation_for_something_else_is_not_started_again() -> (
    None
):
    program = TimesOut()
    servers = PodServers((program,), SystemClock())
    servers.state(POD, "127.0.0.1", lambda: None)
    await asyncio.sleep(0)
    async with asyncio.timeout(GENEROUS):
        await servers.stop()
    assert program.runs == 1
    assert not servers.ends("u")
