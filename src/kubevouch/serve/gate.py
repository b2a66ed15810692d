"""What stands in front of everything that is served: how many at once, who asks, whether he may, and who answers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from kubevouch import __version__
from kubevouch.serve.attributes import attributes_of
from kubevouch.serve.authentication import Authentication, NotAuthenticated
from kubevouch.serve.authorization import Authorization
from kubevouch.serve.logs import Log
from kubevouch.serve.messages import Handler, Request, Response, in_json
from kubevouch.serve.statuses import internal_error, no_such_path, too_many, unauthorized

MOST_AT_ONCE: Final = 400
"""Requests: apiserver's --max-requests-inflight."""


class Gate:
    """A Handler. routes: by path, and for everything below it; the longest that fits answers."""

    def __init__(
        self,
        authentication: Authentication,
        authorization: Authorization,
        routes: Mapping[str, Handler],
        log: Log,
    ) -> None:
        self._authentication = authentication
        self._authorization = authorization
        self._routes = dict(sorted(routes.items(), key=lambda each: -len(each[0])))
        self._log = log
        self._running = 0

    async def answer(self, request: Request) -> Response:
        """The answer, whatever happens."""
        if self._running >= MOST_AT_ONCE:
            return too_many()
        self._running += 1
        try:
            return await self._answer(request)
        except Exception as error:  # noqa: BLE001 - one request's fault ends no server
            self._log.error(
                f"{type(error).__name__}: {error}", "Observed a panic", path=request.path
            )
            return internal_error(request.path, "the server failed while it answered")
        finally:
            self._running -= 1

    async def _answer(self, request: Request) -> Response:
        try:
            user = await self._authentication.user_of(request)
        except NotAuthenticated as error:
            self._log.error(error.seen, "Unable to authenticate the request")
            return unauthorized()
        refusal = await self._authorization.refusal(user, attributes_of(request))
        if refusal is not None:
            return refusal
        handler = self._handler(request.path)
        if handler is None:
            return no_such_path()
        answer = await handler(replace(request, user=user))
        self._log.verbose(
            3,
            "HTTP",
            verb=request.method,
            URI=request.path,
            user=user.name,
            resp=answer.code,
        )
        return answer

    def _handler(self, path: str) -> Handler | None:
        return next(
            (
                handler
                for prefix, handler in self._routes.items()
                if path == prefix or path.startswith(prefix.rstrip("/") + "/")
            ),
            None,
        )


async def version(request: Request) -> Response:  # noqa: ARG001 - a handler's signature
    """/version, in the fields that clients of Kubernetes know."""
    major, minor, *_ = [*__version__.split("."), "", ""]
    return in_json({"major": major, "minor": minor, "gitVersion": f"v{__version__}"})
