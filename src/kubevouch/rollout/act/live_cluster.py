"""What all nodes of a run look at, read once for all of them: serving CSRs and Nodes, by one list at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from msgspec.structs import replace

from kubevouch.clock import Clock
from kubevouch.evidence.gather.csrs import list_csrs
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES, CertificateSigningRequest, Node

T = TypeVar("T")

_LISTED = 1.0
"""Seconds for which a list of CSRs is taken for true. Whoever approves one reads it again."""


class SharedRead(Generic[T]):
    """One read for all who ask while another one is under way. What it returns was read after they asked.

    age: seconds by which it may have been read before that.
    """

    def __init__(self, read: Callable[[], Awaitable[T]], clock: Clock, age: float = 0.0) -> None:
        self._read = read
        self._clock = clock
        self._age = age
        self._lock = asyncio.Lock()
        self._last: tuple[float, T] | None = None

    async def value(self) -> T:
        """Raises what the read raises."""
        asked = self._clock.monotonic()
        async with self._lock:
            if self._last is None or self._last[0] < asked - self._age:
                began = self._clock.monotonic()
                self._last = began, await self._read()
            return self._last[1]


class LiveCluster:
    """The cluster as it is now."""

    def __init__(self, api: ApiClient, clock: Clock) -> None:
        self._nodes = SharedRead[tuple[Node, ...]](lambda: api.list_all(NODES), clock)
        self._csrs = SharedRead(lambda: _listed(api), clock, age=_LISTED)

    async def nodes(self) -> tuple[Node, ...]:
        """All Nodes, read after this was asked. Raises KubeError."""
        return await self._nodes.value()

    async def csrs(self) -> tuple[CertificateSigningRequest, ...]:
        """All serving CSRs without their requests, oldest first. Raises KubeError."""
        return await self._csrs.value()


async def _listed(api: ApiClient) -> tuple[CertificateSigningRequest, ...]:
    return tuple(_kept(each) for each in await list_csrs(api))


def _kept(csr: CertificateSigningRequest) -> CertificateSigningRequest:
    """Without what its requestor may make large. Whoever judges it reads it again."""
    metadata = replace(csr.metadata, labels={}, annotations={}, managed_fields=())
    return replace(csr, metadata=metadata, spec=replace(csr.spec, request=b""))
