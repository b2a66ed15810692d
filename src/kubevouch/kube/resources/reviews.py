"""Access reviews, which ask the API server what a user may do. An audit log shows them as `create`."""

from typing import Any

from kubevouch.kube.resources.meta import Narrow, Object, Resource


class ResourceAttributes(Narrow, frozen=True, kw_only=True):
    """A verb on a resource, for an access review. "" means any namespace or name."""

    verb: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    def body(self) -> dict[str, Any]:
        """The JSON for the API, without empty fields."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in fields.items() if value}


class ReviewStatus(Narrow, frozen=True, kw_only=True):
    """The result of an access review. If it is neither allowed nor denied ("no opinion"), the user may not do it."""

    allowed: bool = False
    denied: bool = False
    reason: str = ""


class AccessReview(Object, frozen=True, kw_only=True):
    """A SelfSubjectAccessReview or SubjectAccessReview with its result."""

    status: ReviewStatus = ReviewStatus()


class ReviewedUser(Narrow, frozen=True, kw_only=True):
    """Who asks, as the API server has told him apart."""

    username: str = ""


class SelfStatus(Narrow, frozen=True, kw_only=True):
    """The result of a SelfSubjectReview."""

    user_info: ReviewedUser = ReviewedUser()


class SelfReview(Object, frozen=True, kw_only=True):
    """A SelfSubjectReview with its result: who we are (since Kubernetes 1.28)."""

    status: SelfStatus = SelfStatus()


SELF_SUBJECT_REVIEWS = Resource(
    "authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", SelfReview
)
_GROUP = "authorization.k8s.io"
SELF_REVIEWS = Resource(
    _GROUP, "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", AccessReview
)
SUBJECT_REVIEWS = Resource(
    _GROUP, "v1", "subjectaccessreviews", "SubjectAccessReview", AccessReview
)
