"""An API server as a process of its own, for a test that kills it: `python -m lab.tests.apiserver.killable FOLDER`."""

import asyncio
import random
import sys
from pathlib import Path

from kubevouch.system_clock import SystemClock
from kubevouch_lab.apiserver.backends import Backends
from kubevouch_lab.apiserver.client import LocalClient
from kubevouch_lab.apiserver.journal import StoreJournal
from kubevouch_lab.apiserver.kinds import NAMESPACES
from kubevouch_lab.apiserver.server import ApiServer, ServerPki
from kubevouch_lab.apiserver.store import Store
from lab.tests.apiserver.bench import ADMIN


async def _serve(folder: Path) -> None:
    store = Store(StoreJournal(folder / "store.sqlite"))
    pki = ServerPki(*((folder / name).read_bytes() for name in ("chain.pem", "key.pem", "ca.pem")))
    server = ApiServer(
        store,
        clock=SystemClock(),
        tls=pki,
        entropy=random.SystemRandom().randbytes,
        authenticate=lambda _: ADMIN,
        authorize=lambda _: (True, ""),
        admit=lambda _info, _old, new: new,
        backends=Backends(),
    )
    local = LocalClient(server.resources)
    if local.find(NAMESPACES, "default") is None:
        local.create(NAMESPACES, {"metadata": {"name": "default"}})
    await server.start()
    print(server.url, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
