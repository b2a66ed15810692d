"""Reloads the serving certificates and the trusted CAs of a running server when they change."""

import contextlib
import functools
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.io.client import ApiClient
from kubevouch.serve.authentication import Authenticator
from kubevouch.serve.client_trust import ClientTrust, published_trust
from kubevouch.serve.key_pair import NamedPair, ServingPairSource, pairs_by_name, usable_pair
from kubevouch.serve.logs import Log
from kubevouch.serve.shared_authority import SharedAuthority
from kubevouch.tls.io.context import KeyPair
from kubevouch.tls.io.server import ServerTls, ServerTlsSettings, server_context

T = TypeVar("T")

RELOAD_INTERVAL: Final = 10.0
"""Seconds between two reads of the certificate files, and of the ConfigMap with client CAs."""

_UNREADABLE: Final = (
    "Unable to get configmap/extension-apiserver-authentication in kube-system.  Usually fixed by "
    "'kubectl create rolebinding -n kube-system ROLEBINDING_NAME "
    "--role=extension-apiserver-authentication-reader --serviceaccount=YOUR_NS:YOUR_SA'"
)
"""The text of apiserver's pkg/authentication/request/headerrequest/requestheader_controller.go."""

_TEMPORARY: Final = (KubevouchError, OSError)
"""Temporary errors of a source. OSError means that the process has reached its limit of open files."""


@dataclass(frozen=True, slots=True)
class TlsSources:
    """The sources of a server's TLS settings.

    pair: the serving certificate. named: more certificates, for clients that request their names.
    flag_trust: returns the CAs from flags. use_published: whether to read the CAs that the API
    server publishes in a ConfigMap, too (client_trust). Flags take precedence over them.
    """

    pair: ServingPairSource
    named: tuple[NamedPair, ...] = ()
    flag_trust: Callable[[], ClientTrust] = ClientTrust
    use_published: bool = True
    settings: ServerTlsSettings = ServerTlsSettings()  # noqa: RUF009 - it is frozen

    @property
    def authority(self) -> SharedAuthority | None:
        """The CA that signs the pair, if replicas share one; else None."""
        return self.pair if isinstance(self.pair, SharedAuthority) else None


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The last readable content of each source. `published` is None if it was never readable, or is unused."""

    pair: KeyPair
    named: tuple[KeyPair, ...]
    given: ClientTrust
    published: ClientTrust | None

    @property
    def trust(self) -> ClientTrust:
        """The CAs from flags, and those from the ConfigMap where no flag gives a CA."""
        return self.given.completed_by(self.published) if self.published else self.given


@contextlib.contextmanager
def _collecting(errors: list[Exception]) -> Iterator[None]:
    """Collects a temporary error of one source, so that the other sources are still read."""
    try:
        yield
    except _TEMPORARY as error:
        errors.append(error)


class TlsReloader:
    """Reloads the serving certificates and the trusted CAs of a running server, without a restart.

    If a source is unreadable, or holds an unusable pair, its last content stays in use. The other
    sources are still reloaded, so that no certificate expires while the API server is down.

    api: the API server that publishes CAs and reviews tokens. token_ttl: seconds to cache answers
    about tokens.
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
        self._errors: tuple[str, ...] = ()

    async def start(self, *, tolerate_missing: bool) -> tuple[Authenticator, ServerTls]:
        """The initial authenticator and TLS state. tolerate_missing: continue if the published CAs cannot be read.

        Raises KubevouchError.
        """
        sources = self._sources
        given = sources.flag_trust()
        if authority := sources.authority:
            await authority.refresh()
        pair = usable_pair(sources.pair)
        named = tuple(usable_pair(each.source) for each in sources.named)
        published = None
        if sources.use_published:
            try:
                published = await published_trust(self._api)
            except KubevouchError as error:
                if not tolerate_missing:
                    raise
                self._log.error(error, _UNREADABLE)
                self._log.warning(
                    "Continuing without authentication configuration. "
                    "This may treat all requests as anonymous."
                )
        self._loaded = _Loaded(pair, named, given, published)
        trust = self._loaded.trust
        self.authentication = Authenticator(self._api, self._clock, trust, ttl=self._token_ttl)
        self.tls = ServerTls(*self._contexts(self._loaded))
        return self.authentication, self.tls

    async def run(self) -> None:
        """Reloads changes every RELOAD_INTERVAL until cancelled. Logs a lasting error only once."""
        while True:
            await self._clock.sleep(RELOAD_INTERVAL)
            errors = await self._reload()
            for error in errors:
                if str(error) not in self._errors:
                    self._log.error(error, "Failed to reload the serving certificate or client CAs")
            self._errors = tuple(map(str, errors))

    async def _reload(self) -> list[Exception]:
        """Reloads every source. Returns the errors of unreadable sources."""
        before, sources = self._loaded, self._sources
        errors: list[Exception] = []

        def latest(read: Callable[[], T], kept: T) -> T:
            with _collecting(errors):
                return read()
            return kept

        def usable(trust: ClientTrust, kept: ClientTrust | None) -> ClientTrust:
            if trust != kept:
                server_context(before.pair, client_roots=trust.all_ca, where=sources.pair.where)
            return trust

        with _collecting(errors):
            if authority := sources.authority:
                await authority.refresh()
        published = before.published
        with _collecting(errors):
            if sources.use_published:
                published = usable(await published_trust(self._api), published)
        found = _Loaded(
            latest(lambda: usable_pair(sources.pair, before.pair), before.pair),
            tuple(
                latest(functools.partial(usable_pair, each.source, kept), kept)
                for each, kept in zip(sources.named, before.named, strict=True)
            ),
            latest(lambda: usable(sources.flag_trust(), before.given), before.given),
            published,
        )
        with _collecting(errors):
            if found != before:
                self._use(found)
        return errors

    def _use(self, found: _Loaded) -> None:
        contexts = self._contexts(found)
        if found.trust != self._loaded.trust:
            self.authentication.trust = found.trust
        self.tls.replace(*contexts)
        self._loaded = found
        self._log.info("Reloaded the serving certificate and the client CAs")

    def _contexts(self, loaded: _Loaded) -> tuple[ssl.SSLContext, dict[str, ssl.SSLContext]]:
        """The default TLS context, and the contexts for named pairs by name."""
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
