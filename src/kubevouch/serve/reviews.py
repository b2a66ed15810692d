"""Asks the API server who a token belongs to (TokenReview) and what a user may do (SubjectAccessReview)."""

from typing import Any

from msgspec import field

from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import SUBJECT_REVIEWS
from kubevouch.kube.resources.meta import Narrow, Object, Resource
from kubevouch.kube.resources.reviews import ReviewStatus
from kubevouch.serve.attributes import Attributes
from kubevouch.serve.messages import UserInfo


class _User(Narrow, frozen=True, kw_only=True):
    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = field(default_factory=dict)


class _TokenStatus(Narrow, frozen=True, kw_only=True):
    authenticated: bool = False
    user: _User = _User()
    error: str = ""


class TokenReview(Object, frozen=True, kw_only=True):
    """A TokenReview with its answer in `status`."""

    status: _TokenStatus = _TokenStatus()


TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", TokenReview)


async def review_token(api: ApiClient, token: str) -> UserInfo | None:
    """The user of a token; None if the token is not valid. Raises KubeError if the API server does not answer."""
    found = (await api.create(TOKEN_REVIEWS, {"spec": {"token": token}})).status
    if not found.authenticated or not found.user.username:
        return None
    return UserInfo(found.user.username, found.user.groups, found.user.uid, found.user.extra)


async def review_access(api: ApiClient, user: UserInfo, attributes: Attributes) -> ReviewStatus:
    """Whether the user may do this. Raises KubeError if the API server does not answer."""
    spec: dict[str, Any] = {"user": user.name, "groups": user.groups}
    if user.uid:
        spec["uid"] = user.uid
    if user.extra:
        spec["extra"] = dict(user.extra)
    if attributes.resource:
        wanted = {
            "namespace": attributes.namespace,
            "verb": attributes.verb,
            "group": attributes.group,
            "version": attributes.version,
            "resource": attributes.resource,
            "subresource": attributes.subresource,
            "name": attributes.name,
        }
        spec["resourceAttributes"] = {key: value for key, value in wanted.items() if value}
    else:
        spec["nonResourceAttributes"] = {"path": attributes.path, "verb": attributes.verb}
    return (await api.create(SUBJECT_REVIEWS, {"spec": spec})).status
