"""Several programs behind one listener: each is ended, whatever becomes of the others."""

import asyncio
import random

import pytest
from prometheus_client import CollectorRegistry

from kubevouch.errors import KubevouchError
from kubevouch.kube.io.client import ApiClient
from kubevouch.serve.key_pair import key_pair_source
from kubevouch.serve.logs import Log
from kubevouch.serve.parts import ServerPart, make_parts, serve_parts
from kubevouch.serve.process import StopEvent
from kubevouch.serve.server import ServingOptions
from kubevouch.serve.tls_reload import TlsSources
from tests.support.apiservers import MOMENT
from tests.support.clocks import SteppedClock


class Program:
    """One whose end may fail. ends: the names of those that were ended, in this order."""

    def __init__(self, name: str, ends: list[str], *, fails: bool = False) -> None:
        self.name = name
        self.ends = ends
        self.fails = fails

    async def make(self) -> ServerPart:
        return ServerPart(self._work, end=self._end)

    async def _work(self) -> None:
        await asyncio.Event().wait()

    async def _end(self) -> None:
        self.ends.append(self.name)
        if self.fails:
            raise KubevouchError(self.name, "it cannot be ended")


async def test_a_part_that_cannot_be_ended_keeps_no_other_from_its_end(api: ApiClient) -> None:
    """The next one held a Lease for as long as it lasts."""
    clock, ends = SteppedClock(MOMENT), list[str]()
    source = key_pair_source("", "", "", now=MOMENT, random_serial=random.Random(1).getrandbits)
    stop = StopEvent()
    programs = [Program("first", ends, fails=True), Program("second", ends)]
    with pytest.raises(KubevouchError, match="first"):
        await serve_parts(
            api,
            clock,
            Log(lambda _: None, clock),
            ServingOptions("127.0.0.1", 0, TlsSources(source, use_published=False)),
            parts=await make_parts([each.make for each in programs]),
            registry=CollectorRegistry(),
            stop=stop,
            ready=lambda _: stop.request(),
        )
    assert ends == ["first", "second"]


async def test_a_part_that_cannot_be_made_ends_those_before_it() -> None:
    ends = list[str]()

    async def fails() -> ServerPart:
        raise KubevouchError("third", "it cannot be made")

    programs = [Program("first", ends, fails=True), Program("second", ends)]
    with pytest.raises(KubevouchError, match="third"):
        await make_parts([*(each.make for each in programs), fails])
    assert ends == ["first", "second"]
