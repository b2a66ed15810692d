"""Follows the watches, and tells the view and whoever has to act what they show."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.watch import Deleted, Synced, Upserted, Watch
from kubevouch.kube.resources import (
    CONFIG_MAPS,
    CSRS,
    NODES,
    CertificateSigningRequest,
    ConfigMap,
    Node,
    Object,
    Resource,
)
from kubevouch.policy.csr import KUBELET_CLIENT, KUBELET_SERVING

ObjectT = TypeVar("ObjectT", bound=Object)

STALE: Final = 240.0
"""Seconds. Bookmarks come once a minute; a silent connection is given up after 150 s, and another one is tried within 30."""

CSR_LIFE: Final = 50 * 60.0
"""Seconds. An issued CSR is kept for an hour (pkg/controller/certificates/cleaner); whoever did not see it by then never does."""


class WatchHandler(Protocol):
    """Told what has happened, in the order of each watch."""

    def node(self, node: Node) -> None:
        """A Node is new or has changed."""
        ...

    def node_gone(self, name: str) -> None:
        """A Node is gone."""
        ...

    def serving_csr(self, csr: CertificateSigningRequest) -> None:
        """A CSR for a kubelet's serving certificate is new or has changed."""
        ...

    def serving_csr_gone(self, name: str, uid: str) -> None:
        """Such a CSR is gone, or one of another signer, which was never told."""
        ...

    def client_csr(self, csr: CertificateSigningRequest) -> None:
        """A CSR for a kubelet's client certificate is new or has changed."""
        ...

    def client_csrs_missed(self) -> None:
        """Client certificates may have been issued, and their CSRs deleted, that no watch has shown."""
        ...

    def config_map(self, found: ConfigMap) -> None:
        """A ConfigMap of the approver's namespace is new or has changed."""
        ...

    def config_map_gone(self, name: str) -> None:
        """A ConfigMap of the approver's namespace is gone."""
        ...

    def all_listed(self) -> None:
        """Everything has been listed once: called once."""
        ...


class Watches:
    """The three watches. report: called with what is watched and each failure."""

    def __init__(
        self,
        api: ApiClient,
        clock: Clock,
        handler: WatchHandler,
        *,
        namespace: str,
        rng: Callable[[], float],
        report: Callable[[str, KubevouchError], None],
    ) -> None:
        self._api = api
        self._clock = clock
        self._handler = handler
        self._rng = rng
        self._report = report
        self._node_watch = self._watch("nodes", NODES)
        self._csr_watch = self._watch("CSRs", CSRS)
        self._map_watch = self._watch("ConfigMaps", CONFIG_MAPS, namespace=namespace)
        self._listed: set[str] = set()
        self._failing_since: float | None = None

    @property
    def synced(self) -> bool:
        """Whether everything has been listed once."""
        return len(self._listed) == 3

    @property
    def in_order(self) -> bool:
        """Whether every CSR was told before those that were made later. While a list is read none need be."""
        return not self._csr_watch.listing

    @property
    def stale(self) -> str:
        """Which watch has shown nothing for so long that the cluster may have changed meanwhile; "" if none."""
        now = self._clock.monotonic()
        heard = {
            "nodes": self._node_watch.heard,
            "CSRs": self._csr_watch.heard,
            "ConfigMaps": self._map_watch.heard,
        }
        silent = {what: now - at for what, at in heard.items()}
        return ", ".join(f"{what} ({s:.0f} s)" for what, s in silent.items() if s >= STALE)

    async def run(self) -> None:
        """Follows all of them until cancelled."""
        handler = self._handler
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                self._node_watch.follow(
                    handler.node,
                    lambda key: handler.node_gone(key[1]),
                    lambda: self._is_listed("nodes"),
                )
            )
            tasks.create_task(self._csrs())
            tasks.create_task(
                self._map_watch.follow(
                    handler.config_map,
                    lambda key: handler.config_map_gone(key[1]),
                    lambda: self._is_listed("ConfigMaps"),
                )
            )

    def _watch(
        self,
        what: str,
        resource: Resource[ObjectT],
        *,
        namespace: str = "",
    ) -> Watch[ObjectT]:
        return Watch(
            self._api,
            resource,
            clock=self._clock,
            rng=self._rng,
            report=lambda error: self._failed(what, error),
            namespace=namespace,
        )

    def _failed(self, what: str, error: KubevouchError) -> None:
        if what == "CSRs" and self._failing_since is None:
            self._failing_since = self._clock.monotonic()
        self._report(what, error)

    def _is_listed(self, what: str) -> None:
        before = self.synced
        self._listed.add(what)
        if self.synced and not before:
            self._handler.all_listed()

    async def _csrs(self) -> None:
        """One watch for both signers, which shows what happened in its order.

        Whoever gets a client certificate and asks for a serving certificate with it at once must not be able to come first.
        """
        async for each in self._csr_watch.events():
            since, self._failing_since = self._failing_since, None
            match each:
                case Upserted(object=csr) if csr.spec.signer_name == KUBELET_SERVING:
                    self._handler.serving_csr(csr)
                case Upserted(object=csr) if csr.spec.signer_name == KUBELET_CLIENT:
                    self._handler.client_csr(csr)
                case Deleted(key=(_, name), uid=uid):
                    self._handler.serving_csr_gone(name, uid)
                case Synced():
                    self._is_listed("CSRs")
            if since is not None and self._clock.monotonic() - since >= CSR_LIFE:
                self._handler.client_csrs_missed()
