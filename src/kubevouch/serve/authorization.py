"""Whether somebody may: the API server is asked (apiserver's pkg/authorization/authorizerfactory/delegating.go)."""

from collections.abc import Collection
from typing import Final

from kubevouch.clock import Clock
from kubevouch.kube.errors import KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources.reviews import ReviewStatus
from kubevouch.serve.attributes import Attributes
from kubevouch.serve.cache import AnswerCache
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import Response, User
from kubevouch.serve.reviews import review_access
from kubevouch.serve.statuses import forbidden, internal_error

ALWAYS_ALLOWED: Final = ("/healthz", "/readyz", "/livez")
_MASTERS: Final = "system:masters"
_LONGEST_CACHED: Final = 10_000
"""Characters of a question: longer ones are asked anew each time (plugin/pkg/authorizer/webhook, shouldCache)."""

_Key = tuple[str, tuple[str, ...], str, tuple[tuple[str, tuple[str, ...]], ...], Attributes]


class Authorization:
    """`await refusal(user, asked)`: None if he may, else the answer that he gets."""

    def __init__(
        self,
        api: ApiClient,
        clock: Clock,
        log: Log,
        *,
        always_allowed: Collection[str] = ALWAYS_ALLOWED,
        seconds: float = 10.0,
        most: int = 8192,
    ) -> None:
        self._api = api
        self._log = log
        self._always = frozenset(always_allowed)
        self._answers: AnswerCache[_Key, ReviewStatus] = AnswerCache(
            clock, seconds=seconds, most=most
        )

    async def refusal(self, user: User, asked: Attributes) -> Response | None:
        """403 for a no, 500 where the API server could not be asked."""
        if _MASTERS in user.groups or (not asked.resource and asked.path in self._always):
            return None
        try:
            found = await self._reviewed(user, asked)
        except KubeError as error:
            self._log.error(error, "Failed to make webhook authorizer request")
            return internal_error(asked.path, str(error))
        if found.allowed and not found.denied:
            return None
        why = asked.cannot(user.name) + (f": {found.reason}" if found.reason else "")
        return forbidden(asked.group, asked.resource, asked.name, why)

    async def _reviewed(self, user: User, asked: Attributes) -> ReviewStatus:
        key = (user.name, user.groups, user.uid, tuple(sorted(user.extra.items())), asked)
        if len(repr(key)) > _LONGEST_CACHED:
            return await review_access(self._api, user, asked)
        return await self._answers.get(key, lambda: review_access(self._api, user, asked))
