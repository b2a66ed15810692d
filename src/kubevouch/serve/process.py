"""A server as a process: a signal ends it, and it takes as many files, and as little memory, as it may."""

import asyncio
import contextlib
import ctypes
import gc
import resource
import signal
from collections.abc import AsyncIterator


class StopEvent:
    """Asks a server to shut down: set by a signal, or by the program that runs the server."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @property
    def requested(self) -> bool:
        """Whether shutdown was requested."""
        return self._event.is_set()

    async def wait(self) -> None:
        """Waits until shutdown is requested."""
        await self._event.wait()

    def request(self) -> None:
        """Requests shutdown."""
        self._event.set()


def raise_open_file_limit() -> int:
    """Raises the soft limit of open files to the hard one. Returns the new soft limit.

    Every program of Go does so when it starts (Go's os/rlimit.go); Python keeps the shell's 1,024, and a connection to
    each node of a large cluster is more.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # An infinite hard limit may still be refused as a soft limit (macOS).
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def freeze_what_is_loaded() -> None:
    """Takes what a long-lived process has loaded out of later garbage collections: 20 to 30 ms of each full one."""
    gc.collect()
    gc.freeze()


def return_freed_memory() -> None:
    """Gives the pages of memory that is free to the kernel, where the C library can (glibc).

    What reads long lists once leaves holes between what it keeps, and glibc returns only what lies at the very end.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


@contextlib.asynccontextmanager
async def stop_on_signals() -> AsyncIterator[StopEvent]:
    """A StopEvent that SIGTERM and SIGINT set while the block lasts.

    A second signal ends the process at once, as in Kubernetes' programs (apiserver's pkg/server/signal.go).
    """
    stop, loop = StopEvent(), asyncio.get_running_loop()

    def signalled() -> None:
        if stop.requested:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTERM)
        stop.request()

    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, signalled)
    try:
        yield stop
    finally:
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)
