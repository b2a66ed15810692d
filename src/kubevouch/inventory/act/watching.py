"""Follows the watches: Nodes and CSRs for what they say, APIServices and webhooks for when they are read again."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeVar

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import ApiUnreachable
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.watch import Watch
from kubevouch.kube.resources import (
    CSRS,
    NODES,
    CertificateSigningRequest,
    Node,
    Object,
    Resource,
)

ObjectT = TypeVar("ObjectT", bound=Object)

_GROUP: Final = "admissionregistration.k8s.io"
CALLED: Final = (
    Resource("apiregistration.k8s.io", "v1", "apiservices", "APIService", Object),
    Resource(
        _GROUP, "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", Object
    ),
    Resource(_GROUP, "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", Object),
)
"""What the API server calls by a caBundle of its own."""
_UNTIL_LISTED: Final = 0.5


class ClusterHandler(Protocol):
    """Told what has happened."""

    def node(self, node: Node) -> None:
        """A Node is new or has changed."""
        ...

    def node_gone(self, name: str) -> None:
        """A Node is gone."""
        ...

    def csr(self, csr: CertificateSigningRequest) -> None:
        """A CSR is new or has changed."""
        ...

    def csr_gone(self, name: str) -> None:
        """A CSR is gone."""
        ...

    def called(self) -> None:
        """Something that the API server calls is new, has changed, or is gone."""
        ...


class ClusterWatches:
    """All watches. report: called with the resource and each failure of its watch, which then tries again."""

    def __init__(
        self,
        api: ApiClient,
        clock: Clock,
        handler: ClusterHandler,
        *,
        rng: Callable[[], float],
        report: Callable[[str, KubevouchError], None],
    ) -> None:
        self._api = api
        self._clock = clock
        self._handler = handler
        self._rng = rng
        self._report = report
        self._nodes = self._watch(NODES)
        self._csrs = self._watch(CSRS)
        self._called = tuple(self._watch(each) for each in CALLED)
        self._watches: dict[str, Watch[Node] | Watch[CertificateSigningRequest] | Watch[Object]] = {
            NODES.plural: self._nodes,
            CSRS.plural: self._csrs,
            **{each.plural: watch for each, watch in zip(CALLED, self._called, strict=True)},
        }
        self.listed: dict[str, float] = {}
        """When each resource was listed for the first time, by the monotonic clock."""
        self._failures: dict[str, tuple[KubevouchError, float]] = {}
        """Why each failed last, and when it had heard something before that."""

    async def until_listed(self, what: str) -> None:
        """Returns once it is known. Raises the error if the API server refuses it now, or has never answered."""
        while True:
            error, heard = self._failures.get(what, (None, 0.0))
            is_failing = error is not None and self._watches[what].heard == heard
            is_listed = what in self.listed
            # What was known before a connection broke is good until there is another.
            if error and is_failing and not (is_listed and isinstance(error, ApiUnreachable)):
                raise error
            if is_listed:
                return
            await self._clock.sleep(_UNTIL_LISTED)

    def heard(self) -> Mapping[str, float]:
        """When each watch that has listed was last sent something, in seconds since 1970."""
        wall, now = self._clock.now().timestamp(), self._clock.monotonic()
        return {
            name: wall - (now - watch.heard)
            for name, watch in self._watches.items()
            if name in self.listed
        }

    async def run(self) -> None:
        """Follows all of them until cancelled."""
        handler = self._handler

        def has_listed(what: str) -> Callable[[], None]:
            return lambda: self._is_listed(what)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                self._nodes.follow(
                    handler.node, lambda key: handler.node_gone(key[1]), has_listed(NODES.plural)
                )
            )
            tasks.create_task(
                self._csrs.follow(
                    handler.csr, lambda key: handler.csr_gone(key[1]), has_listed(CSRS.plural)
                )
            )
            for resource, watch in zip(CALLED, self._called, strict=True):
                tasks.create_task(
                    watch.follow(
                        lambda _: handler.called(),
                        lambda _: handler.called(),
                        has_listed(resource.plural),
                    )
                )

    def _watch(self, resource: Resource[ObjectT]) -> Watch[ObjectT]:
        return Watch(
            self._api,
            resource,
            clock=self._clock,
            rng=self._rng,
            report=lambda error: self._failed(resource.plural, error),
        )

    def _failed(self, what: str, error: KubevouchError) -> None:
        self._failures[what] = error, self._watches[what].heard
        self._report(what, error)

    def _is_listed(self, name: str) -> None:
        self.listed.setdefault(name, self._clock.monotonic())
