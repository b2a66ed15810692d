"""A lab as a process of its own, away from the terminal: started, seen to be up, ended."""

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable

from kubevouch.errors import KubevouchError
from kubevouch_lab.cluster.folder import Folder, LabError

Running = Callable[["asyncio.Future[None]"], Awaitable[None]]
_PATIENCE = 60.0
_A_NODE = 0.05
"""Seconds more for each of its nodes, on a machine that is busy with something else."""


def detached(folder: Folder, running: Running) -> None:
    """Starts the lab in a process of its own and returns once it is up. Nothing has started a thread yet.

    Raises:
        LabError: it did not come up; why is what it said.
    """
    folder.root.mkdir(parents=True, exist_ok=True)
    hearing, telling = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(hearing)
        os._exit(_alone(folder, running, telling))
    os.close(telling)
    with os.fdopen(hearing, "rb") as words:
        said = words.read().decode(errors="replace")
    os.waitpid(child, 0)
    if said != "up":
        why = said.removeprefix(f"{folder.root}: ") or "the lab exited during startup"
        raise LabError(str(folder.root), why, f"see {folder.log}")


def _alone(folder: Folder, running: Running, telling: int) -> int:
    """In the child: a session of its own, and in it the process that stays."""
    os.setsid()
    if os.fork() != 0:
        return 0
    log = os.open(folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for stream, file in ((0, nothing), (1, log), (2, log)):
        os.dup2(file, stream)
    os.chdir("/")
    try:
        asyncio.run(_told(running, telling))
    except KubevouchError as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201, TID251 - the log
        return int(error.exit_code)
    return 0


async def _told(running: Running, telling: int) -> None:
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def tell(text: str) -> None:
        os.write(telling, text.encode())
        os.close(telling)

    ready.add_done_callback(lambda _: tell("up"))
    try:
        await running(ready)
    except BaseException as error:
        if not ready.done():
            tell(str(error) or type(error).__name__)
        raise


def ended(folder: Folder) -> bool:
    """Ends the lab that runs in the folder and returns when it is gone; False if no lab ran there.

    Raises:
        LabError: it does not end.
    """
    process = folder.running()
    if process <= 0:
        return False
    os.kill(process, signal.SIGTERM)
    patience = _PATIENCE + _A_NODE * folder.record().nodes if folder.exists else _PATIENCE
    end = time.monotonic() + patience  # noqa: TID251 - of another process
    while folder.running():
        if time.monotonic() > end:  # noqa: TID251
            raise LabError(
                str(folder.root), f"process {process} does not exit", f"kill -9 {process}"
            )
        time.sleep(0.02)  # noqa: TID251
    return True


def removed(folder: Folder) -> None:
    """Removes the folder of a lab. Raises LabError if it is not one."""
    if folder.root.exists() and not folder.exists and any(folder.root.iterdir()):
        raise LabError(str(folder.root), "is not the folder of a lab", "remove it by hand")
    shutil.rmtree(folder.root, ignore_errors=True)
