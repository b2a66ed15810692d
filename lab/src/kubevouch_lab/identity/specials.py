"""What this room answers for the API server: reviews and token requests, as specials of its Backends."""

from kubevouch_lab.apiserver.backends import Call, Special
from kubevouch_lab.apiserver.request import Admission
from kubevouch_lab.identity.reviews import Reviews
from kubevouch_lab.identity.tokens import Tokens
from kubevouch_lab.objects import Object

_AUTHENTICATION = ("tokenreviews", "selfsubjectreviews")


def specials(
    reviews: Reviews, tokens: Tokens, admit: Admission
) -> dict[tuple[str, str, str], Special]:
    """By (group, resource, subresource). admit: NodeRestriction has a word in tokens."""

    async def review(call: Call) -> Object:
        return reviews(call.info, call.body)

    async def token(call: Call) -> Object:
        admit(call.info, None, call.body)
        return tokens.requested(call.info, call.body)

    found: dict[tuple[str, str, str], Special] = {}
    for resource in Reviews.RESOURCES:
        group = "authentication" if resource in _AUTHENTICATION else "authorization"
        found[f"{group}.k8s.io", resource, ""] = review
    found["", "serviceaccounts", "token"] = token
    return found
