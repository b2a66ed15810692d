"""May somebody do something: the scripted authorizer, and the review objects that ask it."""

from collections.abc import Callable
from dataclasses import dataclass

from kubevouch_lab.apiserver import status
from kubevouch_lab.objects import Object

_PREFIX = "/apis/authorization.k8s.io/v1/"
REVIEWS = {
    f"{_PREFIX}selfsubjectaccessreviews": "SelfSubjectAccessReview",
    f"{_PREFIX}subjectaccessreviews": "SubjectAccessReview",
}


@dataclass(frozen=True)
class Attributes:
    """What the authorizer is asked. `resource` holds the subresource, as RBAC writes it: `pods/log`."""

    user: str
    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""

    def cannot(self) -> str:
        """The authorizer's text (apiserver's responsewriters/errors.go)."""
        what = f'User "{self.user}" cannot {self.verb} resource "{self.resource}" in API group "{self.group}"'
        return what + (
            f' in the namespace "{self.namespace}"' if self.namespace else " at the cluster scope"
        )


Authorize = Callable[[Attributes], bool]


def everything(_: Attributes) -> bool:
    """Everybody may do everything."""
    return True


def nothing(_: Attributes) -> bool:
    """Nobody may do anything."""
    return False


def reviewed(path: str, body: Object, user: str, authorize: Authorize) -> Object:
    """The review with its status filled in. A self review is about whoever asks."""
    spec = body.get("spec", {})
    asked = spec.get("resourceAttributes")
    if not isinstance(asked, dict):
        raise status.bad_request("only resourceAttributes are reviewed here")
    subresource = asked.get("subresource", "")
    allowed = authorize(
        Attributes(
            user if path.endswith("selfsubjectaccessreviews") else spec.get("user", ""),
            asked.get("verb", ""),
            asked.get("group", ""),
            asked.get("resource", "") + (f"/{subresource}" if subresource else ""),
            asked.get("namespace", ""),
            asked.get("name", ""),
        )
    )
    return {
        "kind": REVIEWS[path],
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": spec,
        "status": {"allowed": allowed, **({} if allowed else {"reason": ""})},
    }
