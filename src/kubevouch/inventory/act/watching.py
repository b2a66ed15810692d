"""Follows the watches: Nodes and CSRs for what they say, APIServices and webhooks for when they are read again."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import ApiUnreachable
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.watch import Watch
from kubevouch.kube.resources import Object, Resource

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


class ClusterWatches:
    """Watches that `follow` adds and `run` follows. report: called with the resource and each failure of its watch, which then tries again."""

    def __init__(
        self,
        api: ApiClient,
        clock: Clock,
        *,
        rng: Callable[[], float],
        report: Callable[[str, KubevouchError], None],
    ) -> None:
        self._api = api
        self._clock = clock
        self._rng = rng
        self._report = report
        self._heard: dict[str, Callable[[], float]] = {}
        self._following: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self.listed: dict[str, float] = {}
        """When each resource was listed for the first time, by the monotonic clock."""
        self._failures: dict[str, tuple[KubevouchError, float]] = {}
        """Why each failed last, and when it had heard something before that."""

    def follow(
        self,
        resource: Resource[ObjectT],
        put: Callable[[ObjectT], None],
        gone: Callable[[str], None],
    ) -> None:
        """put: called with an object that is new or has changed; gone: with the name of one that is gone."""
        name = resource.plural
        watch = Watch(
            self._api,
            resource,
            clock=self._clock,
            rng=self._rng,
            report=lambda error: self._failed(name, error),
        )
        self._heard[name] = lambda: watch.heard
        self._following.append(
            lambda: watch.follow(put, lambda key: gone(key[1]), lambda: self._is_listed(name))
        )

    async def until_listed(self, what: str) -> None:
        """Returns once it is known. Raises the error if the API server refuses it now, or has never answered."""
        while True:
            error, heard = self._failures.get(what, (None, 0.0))
            is_failing = error is not None and self._heard[what]() == heard
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
            name: wall - (now - heard())
            for name, heard in self._heard.items()
            if name in self.listed
        }

    async def run(self) -> None:
        """Follows all of them until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for following in self._following:
                tasks.create_task(following())

    def _failed(self, what: str, error: KubevouchError) -> None:
        self._failures[what] = error, self._heard[what]()
        self._report(what, error)

    def _is_listed(self, name: str) -> None:
        self.listed.setdefault(name, self._clock.monotonic())
