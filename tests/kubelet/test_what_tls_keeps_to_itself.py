"""What TLS takes without handing anything over (session tickets, key updates) holds nobody up, and is not taken for ever."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from kubevouch.kubelet.dial_result import Target
from kubevouch.kubelet.io.fetch import FetchFailed, KubeletClient
from kubevouch.kubelet.io.names import NameResolver
from kubevouch.kubelet.io.trust import KubeletRoots, KubeletTrust
from kubevouch.system_clock import SystemClock
from tests.support.authority import Authority
from tests.support.contexts import server_context
from tests.support.many_tickets import many_tickets

ADDRESS = "127.0.0.1"


async def test_a_kubelet_that_sends_nothing_but_session_tickets_fails_and_holds_nobody_up(
    authority: Authority, tmp_path: Path
) -> None:
    clock, turns = SystemClock(), 0
    context = server_context(authority.serving(ADDRESS, node="n1"))
    with many_tickets(context, tmp_path) as port:
        trust = KubeletTrust(KubeletRoots(authority.pem))
        target = Target(ADDRESS, "n1", port)
        kubelet = KubeletClient(target, trust, clock=clock, names=NameResolver(clock))
        with contextlib.closing(kubelet):
            fetching = asyncio.create_task(
                kubelet.page("/metrics/resource", "Bearer t", timeout=60, most=1 << 20)
            )
            while not fetching.done():
                await asyncio.sleep(0)
                turns += 1
            with pytest.raises(FetchFailed, match="tls: too many ignored records") as failed:
                await fetching
    assert failed.value.reason == "no-answer"
    # Each piece that was taken left the others a turn: 128 KiB are eight of them at least.
    assert turns > 8
