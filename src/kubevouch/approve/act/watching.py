"""Runs the watches, and passes their events to the handlers."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

from kubevouch.approve.act.reactions import WatchReactions
from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.watch import Deleted, Synced, Upserted, Watch
from kubevouch.kube.resources import (
    CONFIG_MAPS,
    CSRS,
    NODES,
    Object,
    Resource,
)
from kubevouch.policy.csr import KUBELET_CLIENT, KUBELET_SERVING

ObjectT = TypeVar("ObjectT", bound=Object)

STALE: Final = 240.0
"""Seconds of silence after which a watch is stale. Bookmarks arrive once a minute. A silent
connection is dropped after 150 s and retried within 30 s."""

CSR_LIFE: Final = 50 * 60.0
"""Seconds for which an issued CSR exists, unless its certificate expires earlier: otherwise
kube-controller-manager deletes it one to two hours after its approval
(pkg/controller/certificates/cleaner)."""


class Watches:
    """The watches of Nodes, CSRs and ConfigMaps.

    handler: receives the events of each watch in order. report: called with the watched kind and
    the error, for each failure.
    """

    def __init__(
        self,
        api: ApiClient,
        clock: Clock,
        handler: WatchReactions,
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
        self._csr_watch = self._watch("CSRs", CSRS, keeps=lambda key: handler.keeps(key[1]))
        self._map_watch = self._watch("ConfigMaps", CONFIG_MAPS, namespace=namespace)
        self._awaited = {"nodes", "ConfigMaps"}
        self._others_listed = asyncio.Event()

    @property
    def in_order(self) -> bool:
        """Whether CSRs arrive in order of creation. They do not while a list is in progress."""
        return not self._csr_watch.listing

    @property
    def stale(self) -> str:
        """The watches whose data may be outdated, since they were silent for too long. Empty if all are current."""
        now = self._clock.monotonic()
        heard = {
            "nodes": self._node_watch.heard,
            "CSRs": self._csr_watch.heard,
            "ConfigMaps": self._map_watch.heard,
        }
        silent = {what: now - at for what, at in heard.items()}
        return ", ".join(f"{what} ({s:.0f} s)" for what, s in silent.items() if s >= STALE)

    async def run(self) -> None:
        """Follows all watches until cancelled."""
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
        **more: Any,  # noqa: ANN401 - Watch declares their types
    ) -> Watch[ObjectT]:
        return Watch(
            self._api,
            resource,
            clock=self._clock,
            rng=self._rng,
            report=lambda error: self._report(what, error),
            **more,
        )

    def _is_listed(self, what: str) -> None:
        self._awaited.discard(what)
        if not self._awaited and not self._others_listed.is_set():
            self._handler.others_listed()
            self._others_listed.set()

    async def _csrs(self) -> None:
        """Follows one watch of CSRs for both signers, in the order of events.

        An attacker may get a client certificate and at once request a serving certificate. Two
        watches could show these two CSRs in the wrong order. The watch starts after Nodes and
        ConfigMaps have been listed, since they determine which requestors' CSRs are kept.
        """
        await self._others_listed.wait()
        async for each in self._csr_watch.events():
            match each:
                case Upserted(object=csr) if csr.spec.signer_name == KUBELET_SERVING:
                    self._handler.serving_csr(csr)
                case Upserted(object=csr) if csr.spec.signer_name == KUBELET_CLIENT:
                    self._handler.client_csr(csr, listed=self._csr_watch.listing)
                case Deleted(key=(_, name)):
                    self._handler.serving_csr_gone(name)
                case Synced():
                    self._handler.csrs_listed()
                    if self._clock.monotonic() - self._csr_watch.heard_before_list >= CSR_LIFE:
                        self._handler.client_csrs_missed()
