"""A server as a process: until a signal, with its trust and its pair kept fresh."""

import asyncio
import contextlib
import resource
import signal
import ssl
from collections.abc import AsyncIterator
from typing import Final

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.io.client import ApiClient
from kubevouch.serve.authentication import Authentication
from kubevouch.serve.logs import Log
from kubevouch.serve.pair import PairSource
from kubevouch.serve.trust import Trust, published_trust
from kubevouch.tls.io import Pair, ServerTls, server_context

LOOK_AGAIN: Final = 10.0
"""Seconds between two looks at the pair's files and at the published trust."""


class Stop:
    """Whether, and when, somebody wants an end: a signal, or whoever has the server in his own process."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @property
    def requested(self) -> bool:
        """Somebody wants an end."""
        return self._event.is_set()

    async def wait(self) -> None:
        """Until somebody does."""
        await self._event.wait()

    def request(self) -> None:
        """It shall end."""
        self._event.set()


def open_as_many_files_as_we_may() -> int:
    """Lifts the soft limit of open files to the hard one, and says what it is now.

    Every program of Go does so when it starts (Go's os/rlimit.go); Python keeps the shell's 1,024, and a connection to
    each node of a large cluster is more.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Where the hard limit is none at all, a system may still refuse it as a soft one (macOS).
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@contextlib.asynccontextmanager
async def stop_on_signals() -> AsyncIterator[Stop]:
    """A Stop that SIGTERM and SIGINT set while the block lasts.

    The second one of them ends the process at once, as in Kubernetes' programs (apiserver's pkg/server/signal.go).
    """
    stop, loop = Stop(), asyncio.get_running_loop()

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


class Freshness:
    """What a running server takes up without a restart: a renewed pair, a renewed authority.

    given: trust from flags, which comes before what is published. follow: look at what is published, too.
    """

    def __init__(
        self,
        api: ApiClient,
        clock: Clock,
        log: Log,
        *,
        source: PairSource,
        given: Trust,
        follow: bool,
    ) -> None:
        self._api = api
        self._clock = clock
        self._log = log
        self._source = source
        self._given = given
        self._follow = follow
        self._complaint = ""

    async def start(self, *, tolerate: bool) -> tuple[Authentication, ServerTls]:
        """What the server begins with. Raises KubevouchError, unless told to tolerate that nothing is published."""
        trust = self._given
        if self._follow:
            try:
                trust = self._given.over(await published_trust(self._api))
            except KubevouchError as error:
                if not tolerate:
                    raise
                self._log.error(error, "Unable to get configmap/extension-apiserver-authentication")
        self._pair = self._source.read()
        self.authentication = Authentication(self._api, self._clock, trust)
        self.tls = ServerTls(self._context(self._pair, trust))
        return self.authentication, self.tls

    async def keep(self) -> None:
        """For ever: looks again and again, and takes up what has changed. What is broken changes nothing."""
        while True:
            await self._clock.sleep(LOOK_AGAIN)
            try:
                await self._look()
            except KubevouchError as error:
                if str(error) != self._complaint:
                    self._log.error(error, "Failed to renew the serving certificate or its trust")
                self._complaint = str(error)
            else:
                self._complaint = ""

    async def _look(self) -> None:
        pair, before = self._source.read(), self.authentication.trust
        trust = self._given.over(await published_trust(self._api)) if self._follow else before
        if pair == self._pair and trust == before:
            return
        self.tls.replace(self._context(pair, trust))
        if trust != before:
            self.authentication.trust = trust
        self._pair = pair
        self._log.info("Reloaded the serving certificate and the client authorities")

    def _context(self, pair: Pair, trust: Trust) -> ssl.SSLContext:
        return server_context(pair, client_roots=trust.all_ca, where=self._source.where)
