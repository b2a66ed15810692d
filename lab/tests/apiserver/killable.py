"""An API server as a process of its own, for a test that kills it: `python -m lab.tests.apiserver.killable FOLDER`."""

import asyncio
import sys
from pathlib import Path

from kubevouch_lab.apiserver.journal import StoreJournal
from lab.tests.apiserver.bench import bench
from tests.support.authority import Authority


async def _serve(folder: Path) -> None:
    authority = Authority()
    (folder / "ca.pem").write_bytes(authority.pem)
    async with bench(folder, authority, journal=StoreJournal(folder / "store.sqlite")) as lab:
        print(lab.server.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
