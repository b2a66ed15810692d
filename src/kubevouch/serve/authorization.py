"""What a user may do, by SubjectAccessReview (apiserver's pkg/authorization/authorizerfactory/delegating.go)."""

from collections.abc import Collection
from typing import Final

from kubevouch.clock import Clock
from kubevouch.kube.errors import KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources.reviews import ReviewStatus
from kubevouch.serve.attributes import Attributes
from kubevouch.serve.cache import AnswerCache
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import HttpResponse, UserInfo
from kubevouch.serve.reviews import review_access
from kubevouch.serve.statuses import forbidden, internal_error

ALWAYS_ALLOWED: Final = ("/healthz", "/readyz", "/livez")
_MASTERS: Final = "system:masters"
_LONGEST_CACHED: Final = 10_000
"""Characters of user and attributes; answers to longer ones are not cached (authorizer/webhook, shouldCache)."""

_Key = tuple[str, tuple[str, ...], str, tuple[tuple[str, tuple[str, ...]], ...], Attributes]


class Authorizer:
    """Authorizes users. always_allowed: paths open to everybody. ttl, max_entries: of the cache of answers."""

    def __init__(
        self,
        api: ApiClient,
        clock: Clock,
        log: Log,
        *,
        always_allowed: Collection[str] = ALWAYS_ALLOWED,
        ttl: float = 10.0,
        max_entries: int = 8192,
    ) -> None:
        self._api = api
        self._log = log
        self._always = frozenset(always_allowed)
        self._answers: AnswerCache[_Key, ReviewStatus] = AnswerCache(
            clock, ttl=ttl, max_entries=max_entries
        )

    async def refusal(self, user: UserInfo, attributes: Attributes) -> HttpResponse | None:
        """None if the user may do this; else the response: 403 if not, 500 if the API server could not be asked."""
        if _MASTERS in user.groups or (not attributes.resource and attributes.path in self._always):
            return None
        try:
            found = await self._reviewed(user, attributes)
        except KubeError as error:
            self._log.error(error, "Failed to make webhook authorizer request")
            return internal_error(attributes.path, str(error))
        if found.allowed and not found.denied:
            return None
        why = attributes.denial_text(user.name) + (f": {found.reason}" if found.reason else "")
        return forbidden(attributes.group, attributes.resource, attributes.name, why)

    async def _reviewed(self, user: UserInfo, attributes: Attributes) -> ReviewStatus:
        key = (user.name, user.groups, user.uid, tuple(sorted(user.extra.items())), attributes)
        if len(repr(key)) > _LONGEST_CACHED:
            return await review_access(self._api, user, attributes)
        return await self._answers.get(key, lambda: review_access(self._api, user, attributes))
