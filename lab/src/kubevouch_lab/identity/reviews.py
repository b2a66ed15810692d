"""The review objects: who is this token, may this user do that, who am I.

Each takes the request and the body and gives the object with its status; nothing is stored.

Sources: pkg/registry/authentication/{tokenreview,selfsubjectreview}, pkg/registry/authorization/* and
pkg/registry/authorization/util/helpers.go in Kubernetes.
"""

from collections.abc import Mapping
from typing import Final

from kubevouch.clock import Clock
from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.apiserver.request import Authorizer, RequestInfo, UserInfo, read_user
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.identity.authentication import Authentication
from kubevouch_lab.identity.tokens import InvalidToken
from kubevouch_lab.objects import Object

_AUTHORIZATION = "authorization.k8s.io"
_AUTHENTICATION = "authentication.k8s.io"


RESOURCES: Final[Mapping[str, str]] = {
    "tokenreviews": _AUTHENTICATION,
    "selfsubjectreviews": _AUTHENTICATION,
    "subjectaccessreviews": _AUTHORIZATION,
    "selfsubjectaccessreviews": _AUTHORIZATION,
    "localsubjectaccessreviews": _AUTHORIZATION,
}
"""The reviews that there are, and their groups."""


class Reviews:
    """Answers creates of reviews: `reviews(info, body)`; nothing is stored."""

    def __init__(
        self, store: Store, authentication: Authentication, authorize: Authorizer, clock: Clock
    ) -> None:
        self._store = store
        self._authentication = authentication
        self._authorize = authorize
        self._clock = clock

    def __call__(self, info: RequestInfo, body: Object) -> Object:
        """The review with its status. 400 or 422 for one that cannot be understood."""
        match info.resource:
            case "tokenreviews":
                return self._token(body)
            case "selfsubjectreviews":
                return self._self(info)
        return self._access(info, body)

    def _token(self, body: Object) -> Object:
        spec = body.get("spec") or {}
        token = spec.get("token") or ""
        if not token:
            raise status.bad_request("token is required for TokenReview in authentication")
        audiences = tuple(spec.get("audiences") or ())
        try:
            user = self._authentication.of_token(token, audiences)
        except InvalidToken as error:
            found: Object = {"user": {}, "error": f"[invalid bearer token, {error.why}]"}
        else:
            if user is None:
                found = {"user": {}, "error": "invalid bearer token"}
            else:
                own = (self._authentication.tokens.issuer,)
                found = {
                    "authenticated": True,
                    "user": user.shown(),
                    "audiences": list(audiences or own),
                }
        return _review(_AUTHENTICATION, "TokenReview", {"spec": spec, "status": found})

    def _self(self, info: RequestInfo) -> Object:
        made = {"metadata": {"creationTimestamp": moment(self._clock.now())}}
        about = {"status": {"userInfo": info.user.shown()}}
        return _review(_AUTHENTICATION, "SelfSubjectReview", made | about)

    def _access(self, info: RequestInfo, body: Object) -> Object:
        kind = {
            "subjectaccessreviews": "SubjectAccessReview",
            "selfsubjectaccessreviews": "SelfSubjectAccessReview",
            "localsubjectaccessreviews": "LocalSubjectAccessReview",
        }[info.resource]
        spec = body.get("spec") or {}
        user = info.user if info.resource.startswith("self") else _subject(spec, kind)
        asked = _asked(spec, kind, user)
        if info.resource.startswith("local") and asked.namespace != info.namespace:
            text = f"spec.resourceAttributes.namespace must match metadata.namespace: {asked.namespace}"
            raise status.bad_request(text)
        allowed, reason = self._authorize(asked)
        found: Object = {"allowed": allowed} | ({"reason": reason} if reason else {})
        return _review(_AUTHORIZATION, kind, {"spec": spec, "status": found})


def _review(group: str, kind: str, parts: Object) -> Object:
    return {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {}, **parts}


def _subject(spec: Object, kind: str) -> UserInfo:
    user = read_user(spec, "user")
    if not user.name and not user.groups:
        text = 'Invalid value: "": at least one of user or group must be specified'
        cause = ("FieldValueInvalid", "spec.user", text)
        raise status.invalid(_AUTHORIZATION, kind, "", [cause])
    return user


def _asked(spec: Object, kind: str, user: UserInfo) -> RequestInfo:
    """What is to be authorized. Exactly one of the two kinds of attributes is there."""
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (resource is None) == (path is None):
        word = "exactly one of" if resource is None else "cannot be specified in combination with"
        text = f"Invalid value: null: {word} nonResourceAttributes or resourceAttributes must be specified"
        cause = ("FieldValueInvalid", "spec.resourceAttributes", text)
        raise status.invalid(_AUTHORIZATION, kind, "", [cause])
    if path is not None:
        return RequestInfo(path.get("verb", ""), path.get("path", ""), user)
    assert resource is not None
    return RequestInfo(
        resource.get("verb", ""),
        "",
        user,
        resource.get("group", ""),
        resource.get("version", ""),
        resource.get("resource", ""),
        resource.get("subresource", ""),
        resource.get("namespace", ""),
        resource.get("name", ""),
    )
