"""`python -m tests.kube.cut_off`, in a network of its own: a watch whose server is cut off, ends, and comes back.

While nothing reaches 127.0.0.1 the server's end of the connection is gone, and no word of that comes to the client: that is
how a machine looks that was switched off. Prints the seconds from when the server answers again to when the watch shows
what was made meanwhile.
"""

import asyncio
import random
import subprocess
import time
from pathlib import Path

from kubevouch.kube.io.watch import Synced, Upserted, Watch
from kubevouch.kube.resources import NODES
from kubevouch.system_clock import SystemClock
from tests.support.apiservers import access_to, api_server, client_of
from tests.support.authority import Authority
from tests.support.scripted import kinds

_NODE = kinds.KINDS["", "v1", "nodes"]
_CUT = 3.0


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


async def main() -> None:
    """The whole of it."""
    _ip("link", "set", "lo", "up")
    # What the server still wants to say when it ends is not said again and again.
    Path("/proc/sys/net/ipv4/tcp_orphan_retries").write_text("1")
    authority = Authority()
    seen: dict[str, float] = {}
    async with api_server(authority) as server, client_of(access_to(server, authority)) as api:
        clock, rng = SystemClock(), random.Random(4).random
        watch = Watch(api, NODES, clock=clock, rng=rng, report=lambda _: None)

        async def follow() -> None:
            async for event in watch.events():
                match event:
                    case Synced():
                        seen["synced"] = time.monotonic()
                    case Upserted(object=node):
                        seen[node.name] = time.monotonic()

        following = asyncio.create_task(follow())
        while not server.watches.open:
            await asyncio.sleep(0.05)
        _ip("address", "del", "127.0.0.1/8", "dev", "lo")
        await server.end()
        await asyncio.sleep(_CUT)
        server.store.create(_NODE, {"metadata": {"name": "made-meanwhile"}})
        _ip("address", "add", "127.0.0.1/8", "dev", "lo")
        await server.listen()
        back = time.monotonic()
        while "made-meanwhile" not in seen:
            await asyncio.sleep(0.05)
        following.cancel()
        await asyncio.wait([following])
    print(seen["made-meanwhile"] - back)


if __name__ == "__main__":
    asyncio.run(main())
