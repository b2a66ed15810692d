"""What this room answers for the API server: reviews and token requests, as specials of its Backends."""

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.backends import Answer, Call, Special
from kubevouch_lab.apiserver.field_validation import FieldValidation
from kubevouch_lab.apiserver.request import Admission
from kubevouch_lab.identity.reviews import Reviews
from kubevouch_lab.identity.tokens import Tokens
from kubevouch_lab.objects import Object

_AUTHENTICATION = ("tokenreviews", "selfsubjectreviews")


def specials(
    reviews: Reviews, tokens: Tokens, admit: Admission
) -> dict[tuple[str, str, str], Special]:
    """By (group, resource, subresource). admit: NodeRestriction has a word in tokens."""

    async def review(call: Call) -> Answer:
        return Answer(reviews(call.info, _body(call)), code=201)

    async def token(call: Call) -> Answer:
        body = _body(call)
        admit(call.info, None, body)
        return Answer(tokens.requested(call.info, body), code=201)

    found: dict[tuple[str, str, str], Special] = {}
    for resource in Reviews.RESOURCES:
        group = "authentication" if resource in _AUTHENTICATION else "authorization"
        found[f"{group}.k8s.io", resource, ""] = review
    found["", "serviceaccounts", "token"] = token
    return found


def _body(call: Call) -> Object:
    """The body, every field of the type that it should have."""
    kind = call.info.kind
    if not isinstance(call.body, dict) or kind is None:
        raise status.bad_request("the body of the request is not an object")
    return FieldValidation(kind, call.info, call.query).body(call.body)
