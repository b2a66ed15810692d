"""The life of a lab's process: lock, start, whatever is asked of it, the end."""

import asyncio
import contextlib
import logging
import os
import resource
import signal
from collections.abc import Callable, Iterator

from kubevouch.clock import Clock
from kubevouch_lab.cluster.folder import Folder
from kubevouch_lab.cluster.lab import Lab, LabOptions
from kubevouch_lab.process.commands import Commands
from kubevouch_lab.process.control_socket import ControlSocket
from kubevouch_lab.rng import Entropy
from kubevouch_lab.scenarios.catalogue import scenario_of


async def run(
    folder: Folder,
    options: LabOptions,
    *,
    clock: Clock,
    entropy: Entropy,
    notify: Callable[[str], None],
    ready: "asyncio.Future[None]",
    commands: "Callable[[Lab], Commands]" = Commands,
) -> None:
    """Runs the lab until SIGINT or SIGTERM; `ready` is set once everything answers.

    Raises:
        LabError: it cannot be made or started.
    """
    # Nodes' folders are made as root makes them: a kubelet's folder that a group may write is refused by kubevouch.
    os.umask(os.umask(0o022) | 0o022)
    with folder.locked(), _logged(folder):
        lab = Lab(folder, scenario_of=scenario_of, clock=clock, entropy=entropy, notify=notify)
        control = ControlSocket(folder, commands(lab))
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
        _raise_open_files()
        try:
            await lab.start(options)
            await control.start()
            ready.set_result(None)
            await ended.wait()
        finally:
            await control.stop()
            await lab.stop()


def _raise_open_files() -> None:
    """Raises the soft limit of open files to the hard one, as programs of Go do: here are both ends of every connection."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses an infinite one
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextlib.contextmanager
def _logged(folder: Folder) -> Iterator[None]:
    """What the parts of the lab have to say goes to its own file."""
    handler = logging.FileHandler(folder.log)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    ours = logging.getLogger("kubevouch_lab")
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    try:
        yield
    finally:
        ours.removeHandler(handler)
        handler.close()
