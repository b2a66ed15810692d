"""What a user may do, by SubjectAccessReview (apiserver's pkg/authorization/authorizerfactory/delegating.go)."""

import hashlib
from collections.abc import Awaitable, Collection
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
from kubevouch.serve.statuses import forbidden_response, internal_error

ALWAYS_ALLOWED: Final = ("/healthz", "/readyz", "/livez")
_MASTERS: Final = "system:masters"
_LONGEST_CACHED: Final = 10_000
"""Characters of user and attributes; answers to longer ones are not cached (authorizer/webhook, shouldCache)."""


class Authorizer:
    """Authorizes users. always_allowed: paths open to everybody; one that ends in * stands for all that begin so.

    allowed_ttl, denied_ttl: seconds for which the API server's yes, and its no, is kept.
    """

    def __init__(
        self,
        api: ApiClient,
        clock: Clock,
        log: Log,
        *,
        always_allowed: Collection[str] = ALWAYS_ALLOWED,
        allowed_ttl: float = 10.0,
        denied_ttl: float = 10.0,
        max_entries: int = 8192,
    ) -> None:
        self._api = api
        self._log = log
        paths = [each.removeprefix("/") for each in always_allowed]
        self._always = frozenset(each for each in paths if not each.endswith("*"))
        self._always_below = tuple(each[:-1] for each in paths if each.endswith("*"))
        self._answers: AnswerCache[bytes, ReviewStatus] = AnswerCache(
            clock,
            ttl=lambda found: allowed_ttl if found.allowed else denied_ttl,
            max_entries=max_entries,
        )

    async def refusal(
        self, user: UserInfo, attributes: Attributes, *, first: bool = False
    ) -> HttpResponse | None:
        """None if the user may do this; else the response: 403 if not, 500 if the API server could not be asked.

        first: see AnswerCache.get.
        """
        if _MASTERS in user.groups or self.lets_everybody(attributes):
            return None
        try:
            found = await self._reviewed(user, attributes, first=first)
        except KubeError as error:
            self._log.error(error, "Failed to make webhook authorizer request")
            return internal_error(attributes.path, str(error))
        if found.allowed and not found.denied:
            return None
        self._log.verbose(4, "Forbidden", URI=attributes.path, reason=found.reason)
        why = attributes.denial_text(user.name) + (f": {found.reason}" if found.reason else "")
        return forbidden_response(attributes.group, attributes.resource, attributes.name, why)

    def lets_everybody(self, attributes: Attributes) -> bool:
        """Whether a path is open to everybody; a resource never is (apiserver's pkg/authorization/path)."""
        path = attributes.path.removeprefix("/")
        return not attributes.resource and (
            path in self._always or path.startswith(self._always_below)
        )

    async def _reviewed(
        self, user: UserInfo, attributes: Attributes, *, first: bool
    ) -> ReviewStatus:
        def review() -> Awaitable[ReviewStatus]:
            return review_access(self._api, user, attributes)

        asked = repr((user.name, user.groups, user.uid, sorted(user.extra.items()), attributes))
        if len(asked) > _LONGEST_CACHED:
            return await self._answers.ask(review, first=first)
        # Kept by its hash: strangers choose the paths, and thousands of them would be kept as they are.
        key = hashlib.sha256(asked.encode(errors="surrogatepass")).digest()
        return await self._answers.get(key, review, first=first)
