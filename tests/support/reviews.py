"""TokenReviews and SubjectAccessReviews of a scripted API server: answered as the test says, and kept."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from tests.support.scripted.apiserver import ScriptedApiServer

TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

Object = dict[str, Any]


@dataclass
class Reviews:
    """tokens: whose they are (as a TokenReview's user). allow: what the authorizer says to a review's spec."""

    tokens: dict[str, Object] = field(default_factory=dict)
    allow: Callable[[Object], bool] = lambda _: True
    reason: str = ""
    token_reviews: list[Object] = field(default_factory=list)
    access_reviews: list[Object] = field(default_factory=list)

    def play_on(self, server: ScriptedApiServer) -> None:
        server.faults.on(TOKEN_REVIEWS, self._token)
        server.faults.on(ACCESS_REVIEWS, self._access)

    async def _token(self, request: web.Request) -> web.StreamResponse:
        body = msgspec.json.decode(await request.read())
        self.token_reviews.append(body["spec"])
        user = self.tokens.get(body["spec"]["token"])
        status = {"authenticated": user is not None, **({"user": user} if user else {})}
        return web.json_response({**body, "status": status}, status=201)

    async def _access(self, request: web.Request) -> web.StreamResponse:
        body = msgspec.json.decode(await request.read())
        self.access_reviews.append(body["spec"])
        allowed = self.allow(body["spec"])
        status = {"allowed": allowed, **({} if allowed else {"reason": self.reason})}
        return web.json_response({**body, "status": status}, status=201)
