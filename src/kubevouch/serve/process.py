"""A server as a process: it ends by a signal, and reloads its serving certificate and its trusted authorities."""

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
from kubevouch.serve.authentication import Authenticator
from kubevouch.serve.client_trust import ClientTrust, published_trust
from kubevouch.serve.key_pair import KeyPairSource
from kubevouch.serve.logs import Log
from kubevouch.tls.io import KeyPair, ServerTls, server_context

RELOAD_INTERVAL: Final = 10.0
"""Seconds between two reads of the pair's files and of the published trust."""


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


class TlsReloader:
    """Reloads the serving certificate and the trusted authorities of a running server, without a restart.

    flag_trust: authorities from flags, which come before the published ones. use_published: read those, too.
    """

    def __init__(
        self,
        api: ApiClient,
        clock: Clock,
        log: Log,
        *,
        source: KeyPairSource,
        flag_trust: ClientTrust,
        use_published: bool,
    ) -> None:
        self._api = api
        self._clock = clock
        self._log = log
        self._source = source
        self._flag_trust = flag_trust
        self._use_published = use_published
        self._last_error = ""

    async def start(self, *, tolerate_missing: bool) -> tuple[Authenticator, ServerTls]:
        """The authenticator and TLS state to begin with. tolerate_missing: go on if the published trust cannot be read.

        Raises KubevouchError.
        """
        trust = self._flag_trust
        if self._use_published:
            try:
                trust = self._flag_trust.completed_by(await published_trust(self._api))
            except KubevouchError as error:
                if not tolerate_missing:
                    raise
                self._log.error(error, "Unable to get configmap/extension-apiserver-authentication")
        self._pair = self._source.read()
        self.authentication = Authenticator(self._api, self._clock, trust)
        self.tls = ServerTls(self._context(self._pair, trust))
        return self.authentication, self.tls

    async def run(self) -> None:
        """Reloads what has changed every RELOAD_INTERVAL until cancelled. An error is logged and changes nothing."""
        while True:
            await self._clock.sleep(RELOAD_INTERVAL)
            try:
                await self._reload()
            except KubevouchError as error:
                if str(error) != self._last_error:
                    self._log.error(error, "Failed to renew the serving certificate or its trust")
                self._last_error = str(error)
            else:
                self._last_error = ""

    async def _reload(self) -> None:
        pair, before = self._source.read(), self.authentication.trust
        trust = (
            self._flag_trust.completed_by(await published_trust(self._api))
            if self._use_published
            else before
        )
        if pair == self._pair and trust == before:
            return
        self.tls.replace(self._context(pair, trust))
        if trust != before:
            self.authentication.trust = trust
        self._pair = pair
        self._log.info("Reloaded the serving certificate and the client authorities")

    def _context(self, pair: KeyPair, trust: ClientTrust) -> ssl.SSLContext:
        return server_context(pair, client_roots=trust.all_ca, where=self._source.where)
