"""Checks what a user may do, with SubjectAccessReviews (apiserver's pkg/authorization/authorizerfactory/delegating.go)."""

import hashlib
import re
from collections.abc import Awaitable, Collection
from typing import Any, Final

from kubevouch.clock import Clock
from kubevouch.kube.api_call import resource_path
from kubevouch.kube.errors import KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import SUBJECT_REVIEWS, ResourceAttributes, ReviewStatus
from kubevouch.serve.cache import AnswerCache
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import HttpRequest, HttpResponse, UserInfo
from kubevouch.serve.statuses import forbidden_response, internal_error, sanitized

_VERBS: Final = {
    "POST": "create",
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_NAMED: Final = re.compile(r"metadata\.name==?([^,!=\\]+)")


class Attributes(ResourceAttributes, frozen=True, kw_only=True):
    """The attributes of a request for the authorizer.

    For a non-resource path, `resource` is "" and `verb` is the HTTP method in lower case.
    """

    path: str

    def denial_text(self, user: str) -> str:
        """The text of a denial for this user (responsewriters/errors.go, forbiddenMessage)."""
        if not self.resource:
            return sanitized(f'User "{user}" cannot {self.verb} path "{self.path}"')
        whole = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        place = f'in the namespace "{self.namespace}"' if self.namespace else "at the cluster scope"
        return sanitized(
            f'User "{user}" cannot {self.verb} resource "{whole}" '
            f'in API group "{self.group}" {place}'
        )


def attributes_of(request: HttpRequest) -> Attributes:
    """The attributes of a request, even for a path that the server does not serve."""
    found = resource_path(request.path)
    if found is None:
        return Attributes(verb=request.method.lower(), path=request.path)
    verb, name = _VERBS.get(request.method, ""), found.name
    if not name and verb in {"get", "delete"}:
        verb, name = _collective(request, verb)
    return Attributes(**{**found.body(), "verb": verb, "name": name}, path=request.path)


def _collective(request: HttpRequest, verb: str) -> tuple[str, str]:
    """The verb and the name for a path without a name.

    The verb is list, watch or deletecollection. The name is metadata.name in the field selector,
    or "".
    """
    found = _NAMED.fullmatch(request.query_value("fieldSelector"))
    if verb == "delete":
        verb = "deletecollection"
    else:
        verb = "watch" if is_true(request, "watch") else "list"
    return verb, found[1] if found else ""


def is_true(request: HttpRequest, name: str) -> bool:
    """Whether a query parameter is set and is not false or 0, as in runtime.Convert_Slice_string_To_bool."""
    values = request.query.get(name, ())
    return bool(values) and values[0].lower() not in {"false", "0"}


ALWAYS_ALLOWED: Final = ("/healthz", "/readyz", "/livez")
_MASTERS: Final = "system:masters"
_LONGEST_CACHED: Final = 10_000
"""An answer is cached only if the text of user and attributes has at most this many characters
(authorizer/webhook, shouldCache)."""


class Authorizer:
    """Authorizes users. always_allowed: paths open to everybody; a trailing * makes a path a prefix.

    allowed_ttl, denied_ttl: seconds to cache positive and negative answers of the API server.
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
    ) -> None:
        self._api = api
        self._log = log
        paths = [each.removeprefix("/") for each in always_allowed]
        self._always = frozenset(each for each in paths if not each.endswith("*"))
        self._always_below = tuple(each[:-1] for each in paths if each.endswith("*"))
        self._answers: AnswerCache[bytes, ReviewStatus] = AnswerCache(
            clock,
            ttl=lambda found: allowed_ttl if found.allowed else denied_ttl,
            max_entries=8192,
        )

    async def refusal(
        self, user: UserInfo, attributes: Attributes, *, first: bool = False
    ) -> HttpResponse | None:
        """Returns None if the user may do this, else the response.

        The response is 403, or 500 if the API server does not answer. first: whether the request
        has priority, as in AnswerCache.get.
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
        """Whether the request's path is open to everybody.

        Always False for a Kubernetes resource (apiserver's pkg/authorization/path).
        """
        path = attributes.path.removeprefix("/")
        return not attributes.resource and (
            path in self._always or path.startswith(self._always_below)
        )

    async def _reviewed(
        self, user: UserInfo, attributes: Attributes, *, first: bool
    ) -> ReviewStatus:
        def review() -> Awaitable[ReviewStatus]:
            return _review_access(self._api, user, attributes)

        asked = repr((user.name, user.groups, user.uid, sorted(user.extra.items()), attributes))
        if len(asked) > _LONGEST_CACHED:
            return await self._answers.ask(review, first=first)
        # Keyed by hash: strangers choose the paths, and thousands of long ones would stay in
        # memory.
        key = hashlib.sha256(asked.encode(errors="surrogatepass")).digest()
        return await self._answers.get(key, review, first=first)


async def _review_access(api: ApiClient, user: UserInfo, attributes: Attributes) -> ReviewStatus:
    """Asks the API server whether the user may do this. Raises KubeError if it does not answer."""
    spec: dict[str, Any] = {"user": user.name, "groups": user.groups}
    if user.uid:
        spec["uid"] = user.uid
    if user.extra:
        spec["extra"] = dict(user.extra)
    if attributes.resource:
        spec["resourceAttributes"] = attributes.body()
    else:
        spec["nonResourceAttributes"] = {"path": attributes.path, "verb": attributes.verb}
    return (await api.create(SUBJECT_REVIEWS, {"spec": spec})).status
