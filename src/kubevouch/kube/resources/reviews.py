"""Access reviews: asking the API server what somebody may do. In an audit log they are `create`."""

from typing import Any

from kubevouch.kube.resources.meta import Narrow, Object, Resource


class ResourceAttributes(Narrow, frozen=True, kw_only=True):
    """What is asked: a verb on a resource, "" for any namespace or name."""

    verb: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    def body(self) -> dict[str, Any]:
        """As the API takes it: what is empty is left out."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in fields.items() if value}


class ReviewStatus(Narrow, frozen=True, kw_only=True):
    """The answer. Neither allowed nor denied is "no opinion", which is a no."""

    allowed: bool = False
    denied: bool = False
    reason: str = ""


class AccessReview(Object, frozen=True, kw_only=True):
    """A SelfSubjectAccessReview or a SubjectAccessReview, answered."""

    status: ReviewStatus = ReviewStatus()


_GROUP = "authorization.k8s.io"
SELF_REVIEWS = Resource(
    _GROUP, "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", AccessReview
)
SUBJECT_REVIEWS = Resource(
    _GROUP, "v1", "subjectaccessreviews", "SubjectAccessReview", AccessReview
)
