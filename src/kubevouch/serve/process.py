"""A server as a process: it ends by a signal, and reloads its serving certificate and its trusted authorities."""

import asyncio
import contextlib
import resource
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Final

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.io.client import ApiClient
from kubevouch.serve.authentication import Authenticator
from kubevouch.serve.client_trust import ClientTrust, published_trust
from kubevouch.serve.key_pair import KeyPairSource, NamedPair, pairs_by_name
from kubevouch.serve.logs import Log
from kubevouch.tls.io import KeyPair, ServerTls, ServerTlsSettings, server_context

RELOAD_INTERVAL: Final = 10.0
"""Seconds between two reads of the pair's files and of the published trust."""


_UNREADABLE: Final = (
    "Unable to get configmap/extension-apiserver-authentication in kube-system.  Usually fixed by "
    "'kubectl create rolebinding -n kube-system ROLEBINDING_NAME "
    "--role=extension-apiserver-authentication-reader --serviceaccount=YOUR_NS:YOUR_SA'"
)
"""apiserver's pkg/authentication/request/headerrequest/requestheader_controller.go."""


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


@dataclass(frozen=True, slots=True)
class TlsSources:
    """Where a server's TLS comes from.

    pair: the serving certificate; named: others, for clients that ask for their names. flag_trust: returns the
    authorities from flags, which come before the published ones. use_published: read those, too.
    """

    pair: KeyPairSource
    named: tuple[NamedPair, ...] = ()
    flag_trust: Callable[[], ClientTrust] = ClientTrust
    use_published: bool = True
    settings: ServerTlsSettings = ServerTlsSettings()  # noqa: RUF009 - it is frozen


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What the sources held when they were read last."""

    pair: KeyPair
    named: tuple[KeyPair, ...]
    trust: ClientTrust


class TlsReloader:
    """Reloads the serving certificates and the trusted authorities of a running server, without a restart.

    api: whose trust is the published one, and who is asked about tokens. token_ttl: seconds for which answers are kept.
    """

    def __init__(
        self,
        api: ApiClient,
        clock: Clock,
        log: Log,
        sources: TlsSources,
        *,
        token_ttl: float = 10.0,
    ) -> None:
        self._api = api
        self._clock = clock
        self._log = log
        self._sources = sources
        self._token_ttl = token_ttl
        self._last_error = ""

    async def start(self, *, tolerate_missing: bool) -> tuple[Authenticator, ServerTls]:
        """The authenticator and TLS state to begin with. tolerate_missing: go on if the published trust cannot be read.

        Raises KubevouchError.
        """
        given = trust = self._sources.flag_trust()
        loaded = self._read(given)
        if self._sources.use_published:
            try:
                trust = given.completed_by(await published_trust(self._api))
            except KubevouchError as error:
                if not tolerate_missing:
                    raise
                self._log.error(error, _UNREADABLE)
                self._log.warning(
                    "Continuing without authentication configuration. "
                    "This may treat all requests as anonymous."
                )
        self._loaded = replace(loaded, trust=trust)
        self.authentication = Authenticator(self._api, self._clock, trust, ttl=self._token_ttl)
        self.tls = ServerTls(*self._contexts(self._loaded))
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
        trust = self._sources.flag_trust()
        if self._sources.use_published:
            trust = trust.completed_by(await published_trust(self._api))
        found, before = self._read(trust), self._loaded
        if found == before:
            return
        self.tls.replace(*self._contexts(found))
        if found.trust != before.trust:
            self.authentication.trust = found.trust
        self._loaded = found
        self._log.info("Reloaded the serving certificate and the client authorities")

    def _read(self, trust: ClientTrust) -> _Loaded:
        named = tuple(each.source.read() for each in self._sources.named)
        return _Loaded(self._sources.pair.read(), named, trust)

    def _contexts(self, loaded: _Loaded) -> tuple[ssl.SSLContext, dict[str, ssl.SSLContext]]:
        """The context for everybody, and those for the names of the other pairs."""
        pairs = tuple(zip(self._sources.named, loaded.named, strict=True))
        made = {
            id(pair): self._context(pair, loaded.trust, named.source.where) for named, pair in pairs
        }
        by_name = {name: made[id(pair)] for name, pair in pairs_by_name(pairs).items()}
        everybody = self._context(loaded.pair, loaded.trust, self._sources.pair.where)
        return everybody, by_name

    def _context(self, pair: KeyPair, trust: ClientTrust, where: str) -> ssl.SSLContext:
        return server_context(
            pair, client_roots=trust.all_ca, where=where, settings=self._sources.settings
        )
