"""The whole exporter: watches, dials and reads until cancelled, and serves the results as metrics."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from prometheus_client import Metric

from kubevouch.errors import KubevouchError
from kubevouch.evidence.certificates import NotRead
from kubevouch.inventory.act.instruments import (
    ExporterInstruments,
    exporter_gauges,
    node_pages,
)
from kubevouch.inventory.act.kubelets import Kubelets
from kubevouch.inventory.act.other_certificates import OtherCertificates
from kubevouch.inventory.metrics import families_of
from kubevouch.inventory.pending_csrs import PendingCsrs
from kubevouch.kube.backoff import Backoff
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.watch import Watch
from kubevouch.kube.resources import CSRS, NODES, CertificateSigningRequest, Object, Resource
from kubevouch.serve.logs import Log
from kubevouch.serve.probes import NamedCheck
from kubevouch.serve.server import ServerPart

ObjectT = TypeVar("ObjectT", bound=Object)

INTERVAL: Final = 900.0
READY_AFTER: Final = 30.0
"""The exporter is ready at most this many seconds after the first list of Nodes, even if some
kubelets have not been dialled yet."""
_STUCK: Final = 120.0
_GROUP: Final = "admissionregistration.k8s.io"
_CALLED: Final = (
    Resource("apiregistration.k8s.io", "v1", "apiservices", "APIService", Object),
    Resource(
        _GROUP, "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", Object
    ),
    Resource(_GROUP, "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", Object),
)
"""Resources whose caBundle the API server uses to verify the servers that it calls."""


@dataclass(frozen=True, slots=True)
class ExporterSettings:
    """The exporter's settings. interval: seconds between two dials of a kubelet. timeout: seconds for one handshake."""

    interval: float = INTERVAL
    timeout: float = 10.0


@dataclass(eq=False)
class _Watches:
    """A set of watches: `follow` adds one, `run` runs them.

    report: called with the resource's plural name and the error whenever a watch fails. The watch
    then retries.
    """

    api: ApiClient
    rng: Callable[[], float]
    report: Callable[[str, KubevouchError], None]
    listed: dict[str, float] = field(default_factory=dict)
    """When each resource was first listed, by the monotonic clock."""
    _heard: dict[str, Callable[[], float]] = field(default_factory=dict)
    _following: list[Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=list)

    def follow(
        self,
        resource: Resource[ObjectT],
        put: Callable[[ObjectT], None],
        gone: Callable[[str], None],
    ) -> None:
        """Adds a watch.

        put: called with a new or changed object; gone: called with the name of a deleted object.
        """
        name, clock = resource.plural, self.api.server_clock
        watch = Watch(
            self.api,
            resource,
            clock=clock,
            rng=self.rng,
            report=lambda error: self.report(name, error),
        )
        self._heard[name] = lambda: watch.heard

        def listed() -> None:
            self.listed.setdefault(name, clock.monotonic())

        self._following.append(lambda: watch.follow(put, lambda key: gone(key[1]), listed))

    def heard(self) -> Mapping[str, float]:
        """When each watch last received data, in seconds since 1970. Omits watches that have not finished their first list."""
        clock = self.api.server_clock
        began = clock.now().timestamp() - clock.monotonic()
        return {name: began + heard() for name, heard in self._heard.items() if name in self.listed}

    async def run(self) -> None:
        """Runs all watches until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for following in self._following:
                tasks.create_task(following())


class Exporter:
    """One exporter process. rng: returns a random number in [0, 1).

    All times are by the API server's clock, except those in the log.
    """

    def __init__(
        self,
        api: ApiClient,
        log: Log,
        settings: ExporterSettings,
        *,
        instruments: ExporterInstruments,
        rng: Callable[[], float],
    ) -> None:
        self._clock = clock = api.server_clock
        self._log = log
        self._instruments = instruments
        self._csrs = PendingCsrs()
        self.kubelets = Kubelets(
            clock,
            interval=settings.interval,
            timeout=settings.timeout,
            dialled=instruments.dialled,
        )
        self._others = OtherCertificates(
            api,
            nodes=lambda: tuple(self.kubelets.nodes.values()) if self._nodes_are_listed else None,
            trust=self.kubelets.trust,
            timeout=settings.timeout,
            backoff=Backoff(rng),
            report=self._read_failed,
            unread=self._not_read,
        )
        self._watches = _Watches(api, rng, self._watch_failed)
        self._watches.follow(NODES, self.kubelets.put, self._node_gone)
        self._watches.follow(CSRS, self._csr, self._csrs.remove)
        for resource in _CALLED:
            self._watches.follow(resource, self._called, self._called)
        instruments.registry.register(self)

    # What the watches show

    def _node_gone(self, name: str) -> None:
        self.kubelets.remove(name)
        self._csrs.forget_node(name)

    def _csr(self, csr: CertificateSigningRequest) -> None:
        if node := self._csrs.put(csr):
            self.kubelets.dial_soon(node)

    def _called(self, _: object) -> None:
        self._others.read_soon()

    @property
    def _nodes_are_listed(self) -> bool:
        return NODES.plural in self._watches.listed

    # Running

    @property
    def part(self) -> ServerPart:
        """The exporter as a part of a server: its tasks, readiness checks and metrics."""
        live = (NamedCheck("dialling", self._stuck),)
        ready = (NamedCheck("nodes-dialled", self._not_yet),)
        return ServerPart(
            self._run, {"readyz": ready, "livez": live, "healthz": live}, pages=self._pages
        )

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for part in (self._watches, self.kubelets, self._others):
                tasks.create_task(part.run())

    def _not_yet(self) -> str | None:
        listed = self._watches.listed.get(NODES.plural)
        if listed is None:
            return "Nodes have not been listed yet"
        waits = self.kubelets.plan.unasked
        if waits and self._clock.monotonic() - listed < READY_AFTER:
            return f"{waits} kubelets have not been dialled yet"
        return None

    def _stuck(self) -> str | None:
        seconds = max(self.kubelets.silent, self.kubelets.plan.late)
        return f"no kubelet has been dialled for {seconds:.0f} s" if seconds > _STUCK else None

    def _watch_failed(self, what: str, error: KubevouchError) -> None:
        self._instruments.watch_failures.labels(what).inc()
        self._log.error(error, "Failed to watch", what=what)

    def _read_failed(self, error: KubevouchError) -> None:
        self._instruments.read_failures.inc()
        self._log.error(error, "Failed to read certificates")

    def _not_read(self, place: NotRead) -> None:
        self._log.info("Could not read a certificate", what=place.what, reason=place.doubt.text)

    # What is served

    def _pages(self) -> Iterator[str]:
        yield from families_of([*self._others.series, *self.kubelets.series()])
        yield from node_pages(self.kubelets.nodes, self.kubelets.results, self._csrs.issued)

    def collect(self) -> Iterable[Metric]:
        """Yields the gauges that are computed at each scrape, for prometheus_client."""
        return exporter_gauges(
            self.kubelets,
            self._others,
            self._csrs.pending(),
            self._watches.heard(),
            self._clock.now(),
        )
