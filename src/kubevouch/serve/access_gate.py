"""Limits, authenticates and authorizes requests, then passes each to the handler for its path."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Self

from kubevouch import __version__
from kubevouch.clock import Clock
from kubevouch.serve.authentication import Authenticator, NotAuthenticated, bearer_token
from kubevouch.serve.authorization import Attributes, Authorizer, attributes_of
from kubevouch.serve.logs import Log, Value
from kubevouch.serve.messages import (
    ANONYMOUS,
    Handler,
    HttpRequest,
    HttpResponse,
    Pieces,
    UserInfo,
    ending,
    json_response,
)
from kubevouch.serve.statuses import (
    forbidden_response,
    internal_error,
    no_such_path,
    too_many_requests,
    unauthorized,
)

MAX_IN_FLIGHT: Final = 400
"""The default limit of concurrent requests, as in apiserver's --max-requests-inflight."""
_PER_ITERATION: Final = 8
"""The maximum number of requests that start per iteration of the event loop (about 5 ms). The front
proxy's requests do not count."""
_EACH_REQUEST: Final = 3
"""The -v level from which each request is logged."""
_ASK_THERE: Final = "send the request to the API server"


class AccessGate:
    """Authenticates and authorizes requests before it calls a handler.

    routes: handlers by path prefix; the longest matching prefix is used. most_in_flight: the limit of
    concurrent requests; 0 means no limit.
    """

    def __init__(
        self,
        authentication: Authenticator,
        authorization: Authorizer,
        routes: Mapping[str, Handler],
        log: Log,
        clock: Clock,
        *,
        most_in_flight: int = MAX_IN_FLIGHT,
    ) -> None:
        self._most_in_flight = most_in_flight
        self._clock = clock
        self._authentication = authentication
        self._authorization = authorization
        self._routes = dict(sorted(routes.items(), key=lambda each: -len(each[0])))
        self._log = log
        self._turns = _RequestQueue(_PER_ITERATION)
        self._in_flight = 0
        self._pending = 0
        """The number of requests that wait for authentication or authorization, except the front
        proxy's."""

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """The response to a request.

        Never raises: an exception in a handler is logged and becomes a 500.
        """
        began = self._clock.monotonic()
        is_front_proxy = self._authentication.is_front_proxy(request.certificates)
        if not is_front_proxy:
            await self._turns.take()
        answer = await self._counted(request, is_front_proxy=is_front_proxy)
        try:
            if self._log.shows(_EACH_REQUEST):
                self._log_answer(request, answer, self._clock.monotonic() - began)
        except Exception as error:  # noqa: BLE001 - as in _counted
            if answer.rest is not None:
                await answer.rest.aclose()
            with contextlib.suppress(Exception):  # the log itself may fail
                self.report(request, error)
            return _failed(request)
        return answer

    def _log_answer(self, request: HttpRequest, answer: HttpResponse, seconds: float) -> None:
        """Logs the request with the field names of apiserver's pkg/server/httplog.

        Nothing has been sent yet, and the rest of a long body has not been made.
        """
        values: dict[str, Value] = {
            "verb": attributes_of(request).verb.upper(),
            "URI": request.uri or request.path,
            "latency": f"{seconds * 1000:.6g}ms",
            "userAgent": request.header("user-agent"),
            "audit-ID": request.header("audit-id"),
            "srcIP": request.peer,
            "resp": answer.code,
        }
        self._log.verbose(_EACH_REQUEST, "HTTP", **values)

    async def _counted(self, request: HttpRequest, *, is_front_proxy: bool) -> HttpResponse:
        if 0 < self._most_in_flight <= self._in_flight:
            return _if_stranger(request, too_many_requests())
        self._in_flight += 1
        answer: HttpResponse | None = None
        try:
            answer = await self._answer(request, is_front_proxy=is_front_proxy)
        except Exception as error:  # noqa: BLE001 - an error in one request must not end the server
            self.report(request, error)
            return _failed(request)
        finally:
            if answer is None or answer.rest is None:
                self.leave()
        if answer.rest is None:
            return answer
        return replace(answer, rest=_InFlight(self, request, answer.rest))

    def leave(self) -> None:
        """Marks one request as finished."""
        self._in_flight -= 1

    def report(self, request: HttpRequest, error: Exception) -> None:
        """Logs an exception of a handler."""
        self._log.error(f"{type(error).__name__}: {error}", "Observed a panic", path=request.path)

    async def _answer(self, request: HttpRequest, *, is_front_proxy: bool) -> HttpResponse:
        user = await self._admitted(request, is_front_proxy=is_front_proxy)
        if isinstance(user, HttpResponse):
            return user
        handler = self._handler(request.path)
        answer = await handler(replace(request, user=user)) if handler else no_such_path()
        return _for(user, answer)

    async def _admitted(
        self, request: HttpRequest, *, is_front_proxy: bool
    ) -> UserInfo | HttpResponse:
        """The user, or the response that refuses the request.

        Requests that may wait for the API server together use at most half of `most_in_flight`; the
        front proxy's do not count. So clients without permissions, such as kubelets, cannot block
        the aggregator or the probes while the API server is slow.
        """
        attributes = attributes_of(request)
        waits_for_nobody = self._authorization.lets_everybody(attributes) and not bearer_token(
            request
        )
        if waits_for_nobody or is_front_proxy:
            return await self._asked(request, attributes, first=is_front_proxy)
        if 0 < self._most_in_flight <= 2 * self._pending:
            return _if_stranger(request, too_many_requests())
        self._pending += 1
        try:
            return await self._asked(request, attributes, first=False)
        finally:
            self._pending -= 1

    async def _asked(
        self, request: HttpRequest, attributes: Attributes, *, first: bool
    ) -> UserInfo | HttpResponse:
        try:
            user = await self._authentication.authenticate(request)
        except NotAuthenticated as error:
            self._log.error(error.seen, "Unable to authenticate the request")
            return ending(unauthorized())
        refusal = _impersonation(request, user)
        if refusal is None:
            refusal = await self._authorization.refusal(user, attributes, first=first)
        if refusal is None:
            return user
        return _for(user, refusal)

    def _handler(self, path: str) -> Handler | None:
        return next(
            (
                handler
                for prefix, handler in self._routes.items()
                if path == prefix or path.startswith(prefix.rstrip("/") + "/")
            ),
            None,
        )


def _impersonation(request: HttpRequest, user: UserInfo) -> HttpResponse | None:
    """The refusal of an impersonation request, in apiserver's words; None for other requests.

    Clients must send such requests to the API server.
    """
    if not any(name.startswith("impersonate-") for name in request.headers):
        return None
    name = request.header("impersonate-user")
    asked = Attributes(verb="impersonate", path=request.path, resource="users", name=name)
    return forbidden_response("", "users", name, f"{asked.denial_text(user.name)}: {_ASK_THERE}")


def _for(user: UserInfo, answer: HttpResponse) -> HttpResponse:
    # A request that a front proxy forwards for an anonymous user comes on the proxy's own
    # connection.
    return ending(answer) if user is ANONYMOUS else answer


def _if_stranger(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """The answer, which closes the connection if the client presented no certificate.

    For answers to clients that may be unauthenticated.
    """
    return answer if request.certificates else ending(answer)


def _failed(request: HttpRequest) -> HttpResponse:
    return _if_stranger(request, internal_error(request.path, "this request caused an error"))


class _RequestQueue:
    """A queue for requests.

    At most a fixed number of them starts in each iteration of the event loop, in order of arrival.
    Without the queue, a thousand simultaneous requests would delay every scrape and every request
    from an API server.
    """

    def __init__(self, a_round: int) -> None:
        self._a_round = self._left = a_round
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._ends: asyncio.Handle | None = None

    async def take(self) -> None:
        """Waits for the caller's turn; usually returns at once."""
        loop = asyncio.get_running_loop()
        if self._ends is None:
            self._ends = loop.call_soon(self._next_round)
        if self._left and not self._waiting:
            self._left -= 1
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next_round(self) -> None:
        self._ends = None
        self._left = self._a_round
        while self._left and self._waiting:
            turn = self._waiting.popleft()
            # Its caller may have been cancelled.
            if not turn.done():
                turn.set_result(None)
                self._left -= 1
        if self._left < self._a_round or self._waiting:
            self._ends = asyncio.get_running_loop().call_soon(self._next_round)


class _InFlight:
    """The rest of a long response body.

    Its request counts as in flight until `aclose`, even if nothing was read.
    """

    def __init__(self, gate: AccessGate, request: HttpRequest, pieces: Pieces) -> None:
        self._gate = gate
        self._request = request
        self._pieces = pieces
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._pieces)
        except Exception as error:
            if not isinstance(error, StopAsyncIteration):
                self._gate.report(self._request, error)
            raise

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._gate.leave()
            await self._pieces.aclose()


async def version(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - a handler's signature
    """The response to /version, with the fields that Kubernetes clients read."""
    major, minor, *_ = [*__version__.split("."), "", ""]
    return json_response({"major": major, "minor": minor, "gitVersion": f"v{__version__}"})
