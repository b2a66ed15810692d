"""Resolves names in a limited number of separate threads, with a time limit and a cache.

getaddrinfo cannot be interrupted, and asyncio runs it in a shared pool (six threads on a machine
with two cores). In that pool, a hanging resolver would block all tasks that need a thread. Here it
blocks only callers that wait for the same name. If addresses of this name were cached in the last
ten minutes, the callers get these addresses.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final

from kubevouch.clock import Clock

Place = tuple[int, Any]
"""An address family and a socket address, as from getaddrinfo."""

LookUp = Callable[[str], Sequence[Place]]
"""A blocking lookup. Returns a host's socket addresses with port 0. Raises OSError, UnicodeError."""

LONGEST_NAME: Final = 253
"""The maximum length of a name. The system's resolver takes seconds to reject a much longer name."""
_FRESH: Final = 30.0
"""Seconds for which cached addresses are used without a new lookup."""
_STALE: Final = 600.0
"""Seconds for which cached addresses are used if the resolver fails or is too slow."""
_MOST_KEPT: Final = 20_000
_MOST_PLACES: Final = 16
"""The maximum number of addresses to use for a name. A DNS response may have thousands, and each
would be dialled and cached."""


def system_look_up(host: str) -> Sequence[Place]:
    """Resolves a host with the system's resolver."""
    found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    return [(family, place) for family, _, _, _, place in found]


class NameResolver:
    """Resolves names to addresses. At most one lookup of a name runs at a time.

    at_once: the maximum number of concurrent lookups. Each lookup has a thread, which may outlive
    the caller's wait. time_limit: the maximum number of seconds that a caller waits.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        look_up: LookUp = system_look_up,
        at_once: int = 288,
        time_limit: float = 5.0,
    ) -> None:
        self._clock = clock
        self._look_up = look_up
        self._places = asyncio.Semaphore(at_once)
        self._time_limit = time_limit
        self._kept: dict[str, tuple[float, Sequence[Place]]] = {}
        self._running: dict[str, asyncio.Task[Sequence[Place]]] = {}

    async def places(self, host: str, port: int) -> list[Place]:
        """The host's addresses, each with this port. Raises OSError (socket.gaierror), UnicodeError."""
        if len(host.removesuffix(".")) > LONGEST_NAME:
            raise socket.gaierror(socket.EAI_NONAME, "longer than a DNS name may be")
        found = self._cached(host, _FRESH)
        if found is None:
            found = await self._look_up_shared(host)
        return [(family, (place[0], port, *place[2:])) for family, place in found]

    def forget(self, host: str) -> None:
        """Removes a host's addresses from the cache. Call this if none of them works."""
        self._kept.pop(host, None)

    def _cached(self, host: str, seconds: float) -> Sequence[Place] | None:
        at, found = self._kept.get(host, (0.0, ()))
        return found if found and self._clock.monotonic() - at < seconds else None

    async def _look_up_shared(self, host: str) -> Sequence[Place]:
        lookup = self._running.get(host)
        if lookup is None:
            lookup = asyncio.get_running_loop().create_task(self._resolved(host))
            self._running[host] = lookup
            lookup.add_done_callback(lambda ended: self._done(host, ended))
        try:
            async with asyncio.timeout(self._time_limit):
                # Others may wait for the same lookup.
                return await asyncio.shield(lookup)
        except (OSError, UnicodeError) as error:
            found = self._cached(host, _STALE)
            unknown = isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME
            if found is not None and not unknown:
                return found
            if isinstance(error, TimeoutError):
                seen = f"no answer within {self._time_limit:g} seconds"
                raise socket.gaierror(socket.EAI_AGAIN, seen) from None
            raise

    async def _resolved(self, host: str) -> Sequence[Place]:
        """Resolves a name in a thread.

        The thread counts towards `at_once` until it ends, even after all callers have given up.
        """
        try:
            async with asyncio.timeout(self._time_limit):
                await self._places.acquire()
        except TimeoutError:
            # The first caller has stopped waiting, and there may be thousands.
            raise socket.gaierror(socket.EAI_AGAIN, "too many other lookups are running") from None
        try:
            return await self._look_up_in_thread(host)
        finally:
            self._places.release()

    def _look_up_in_thread(self, host: str) -> "asyncio.Future[Sequence[Place]]":
        """Starts a lookup in a new thread. Raises socket.gaierror if no thread can start."""
        answer: Future[Sequence[Place]] = Future()
        # From now on, a caller that gives up cannot cancel it.
        answer.set_running_or_notify_cancel()

        def work() -> None:
            try:
                answer.set_result(self._look_up(host)[:_MOST_PLACES])
            except Exception as error:  # noqa: BLE001 - raised where somebody awaits the answer
                answer.set_exception(error)

        # A daemon, since a process must be able to exit while a resolver hangs.
        thread = threading.Thread(target=work, name=f"resolve {host}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the pod's limit of processes
            raise socket.gaierror(socket.EAI_AGAIN, "cannot start a thread") from None
        return asyncio.wrap_future(answer)

    def _done(self, host: str, lookup: "asyncio.Task[Sequence[Place]]") -> None:
        self._running.pop(host, None)
        if lookup.cancelled() or lookup.exception() is not None:
            return
        self._kept.pop(host, None)
        self._kept[host] = (self._clock.monotonic(), lookup.result())
        self._drop_old()

    def _drop_old(self) -> None:
        """Drops old entries, so the cache cannot grow without limit."""
        old = self._clock.monotonic() - _STALE
        while self._kept and (
            next(iter(self._kept.values()))[0] < old or len(self._kept) > _MOST_KEPT
        ):
            del self._kept[next(iter(self._kept))]
