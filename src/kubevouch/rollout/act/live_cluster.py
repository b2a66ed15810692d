"""One watch of serving CSRs and one list of Nodes at a time, for the work on all nodes of a run."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, TypeVar

from msgspec.structs import replace

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.evidence.gather.csrs import SERVING_SIGNER, by_age, list_csrs
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.watch import Watch
from kubevouch.kube.resources import CSRS, NODES, CertificateSigningRequest, Node
from kubevouch.rollout.act.context import RolloutContext

T = TypeVar("T")

_QUIET = 15.0
"""Seconds without an event after which the CSRs are listed, since the watch may be dead."""
_NO_SPREAD = 0.5
"""A constant instead of a random number: a single watch needs no jitter."""
_LISTED = 1.0
"""Seconds for which a list is reused while the watch is down."""


class SharedRead(Generic[T]):
    """Combines concurrent reads: callers that arrive during a read share the next read.

    A result may be reused if its read began at most `age` seconds before the call.
    """

    def __init__(self, read: Callable[[], Awaitable[T]], clock: Clock, age: float = 0.0) -> None:
        self._read = read
        self._clock = clock
        self._age = age
        self._lock = asyncio.Lock()
        self._last: tuple[float, T] | None = None

    async def value(self) -> T:
        """The shared result. Raises the errors of the read."""
        asked = self._clock.monotonic()
        async with self._lock:
            if self._last is None or self._last[0] < asked - self._age:
                began = self._clock.monotonic()
                self._last = began, await self._read()
            return self._last[1]


class LiveCluster:
    """The current Nodes and serving CSRs. Created by `live_cluster`."""

    def __init__(self, context: RolloutContext) -> None:
        api, clock = context.api, context.clock
        self._clock = clock
        self._watch = Watch(
            api,
            CSRS,
            clock=clock,
            rng=lambda: _NO_SPREAD,
            report=self._reported,
            field_selector=f"spec.signerName={SERVING_SIGNER}",
        )
        self._nodes = SharedRead[tuple[Node, ...]](lambda: api.list_all(NODES), clock)
        self._listed = SharedRead(lambda: _listed(api), clock, age=_LISTED)
        self._known: dict[str, CertificateSigningRequest] = {}
        self._sorted: tuple[CertificateSigningRequest, ...] | None = None
        self._synced = False
        self._failed = float("-inf")
        self._confirmed = float("-inf")

    async def nodes(self) -> tuple[Node, ...]:
        """All Nodes, read after this call. Raises KubeError."""
        return await self._nodes.value()

    async def csrs(self) -> tuple[CertificateSigningRequest, ...]:
        """All serving CSRs, oldest first, without spec.request. Lists them again if the watch failed or was quiet.

        Raises KubeError.
        """
        heard = self._watch.heard
        if self._synced and heard > self._failed:
            if self._clock.monotonic() - max(heard, self._confirmed) <= _QUIET:
                return self._by_age()
            found = await self._listed.value()
            if found == self._by_age():
                self._confirmed = self._clock.monotonic()
            return found
        return await self._listed.value()

    async def follow(self) -> None:
        """Watches the CSRs until cancelled."""
        await self._watch.follow(self._upserted, self._deleted, self._all_known)

    def _by_age(self) -> tuple[CertificateSigningRequest, ...]:
        if self._sorted is None:
            self._sorted = tuple(sorted(self._known.values(), key=by_age))
        return self._sorted

    def _upserted(self, csr: CertificateSigningRequest) -> None:
        self._known[csr.name] = _kept(csr)
        self._sorted = None

    def _deleted(self, key: tuple[str, str]) -> None:
        self._known.pop(key[1], None)
        self._sorted = None

    def _all_known(self) -> None:
        self._synced = True

    def _reported(self, _: KubevouchError) -> None:
        self._failed = self._clock.monotonic()


async def _listed(api: ApiClient) -> tuple[CertificateSigningRequest, ...]:
    return tuple(_kept(each) for each in await list_csrs(api))


def _kept(csr: CertificateSigningRequest) -> CertificateSigningRequest:
    """Drops fields that a requestor can make large. The policy check reads the CSR again."""
    metadata = replace(csr.metadata, labels={}, annotations={}, managed_fields=())
    return replace(csr, metadata=metadata, spec=replace(csr.spec, request=b""))


@contextlib.asynccontextmanager
async def live_cluster(context: RolloutContext) -> AsyncIterator[LiveCluster]:
    """Yields a `LiveCluster`, which watches the cluster's CSRs within the block."""
    live = LiveCluster(context)
    task = asyncio.create_task(live.follow())
    try:
        yield live
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
