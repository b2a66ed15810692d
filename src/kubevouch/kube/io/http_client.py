"""Sends a request with the context's credentials, and returns a 2xx response or raises an error.

A GET is retried a few times if that can help. A write is sent once, and again only after a 401,
which proves that the server did nothing.
"""

import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Final, Self, TypedDict, TypeVar, Unpack
from urllib.parse import urlencode

import msgspec

from kubevouch.clock import Clock
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.api_call import api_call
from kubevouch.kube.decode import decoded
from kubevouch.kube.errors import BrokenOff, KubeError, RetryLater
from kubevouch.kube.io.credentials import Credential, Credentials, UserCredentials, goes_before_exec
from kubevouch.kube.io.exec_plugin import ExecPlugin
from kubevouch.kube.io.transport import ApiRequest, ApiResponse, ResponseLimits, Transport
from kubevouch.kube.refusals import refusal, web_page
from kubevouch.kube.server_clock import ServerClock, is_a_kubelets, is_dated_by_the_server

T = TypeVar("T")
JSON = Any

ATTEMPTS: Final = 4
_LONGEST_WAIT: Final = 30.0
APPLICATION_JSON: Final = "application/json"


RequestObserver = Callable[[str, str], Callable[[str], None]]
"""Called with the method and target (path and query) when a request is sent. Returns a callback for
the outcome, such as `200`. Credentials are never passed to it."""


class RequestOptions(TypedDict, total=False):
    """Optional arguments of a request. body: JSON. content_type: the body's media type."""

    query: Mapping[str, str] | None
    body: JSON
    content_type: str
    accept: str
    limits: ResponseLimits | None


class HttpClient:
    """An HTTP client, used with `async with`.

    environ: the environment of exec plugins. interactive: whether a plugin may read from our
    standard input. observe: called for each request except a watch. server_clock: the API server's
    clock, from Date headers. Every method raises KubeError, or KubeconfigError for a missing
    credential file.
    """

    def __init__(
        self,
        access: ClusterAccess,
        *,
        clock: Clock,
        environ: Mapping[str, str],
        interactive: bool = False,
        limits: ResponseLimits | None = None,
        observe: RequestObserver = lambda *_: lambda _: None,
    ) -> None:
        self.access = access
        self._observe = observe
        self._clock = clock
        self.server_clock = ServerClock(clock)
        self._limits = limits or ResponseLimits()
        self._credentials = _credentials(access, clock, environ, interactive=interactive)
        self._transport = Transport(access)

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        await self._transport.__aexit__(*details)

    async def request(
        self, method: str, path: str, **options: Unpack[RequestOptions]
    ) -> ApiResponse:
        """Sends a request; returns a 2xx response or raises an error.

        path: quoted, as from Resource.path. A GET is retried after a broken connection or a
        Retry-After.
        """
        headers = [("Accept", options.get("accept", APPLICATION_JSON))]
        data = None
        if (body := options.get("body")) is not None:
            data = msgspec.json.encode(body)
            headers.append(("Content-Type", options.get("content_type", APPLICATION_JSON)))
        query = options.get("query")
        target = path + (f"?{urlencode(query)}" if query else "")
        limits = options.get("limits") or self._limits
        asked = ApiRequest(method, target, tuple(headers), limits, data)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._once(asked)
            except KubeError as error:
                wait = _wait(error, attempt) if method == "GET" and attempt < ATTEMPTS else None
                if wait is None:
                    raise
                await self._clock.sleep(wait)
        raise AssertionError

    async def _once(self, asked: ApiRequest) -> ApiResponse:
        credential = await self._credentials.current()
        answer = await self._send(asked, credential)
        refused = answer.code == 401 and not is_a_kubelets(asked.target)
        if refused and (newer := await self._credentials.renewed(credential)):
            answer = await self._send(asked, newer)
        if not 200 <= answer.code < 300:
            raise self._refusal(asked.method, asked.target.partition("?")[0], answer)
        return answer

    async def _send(self, asked: ApiRequest, credential: Credential) -> ApiResponse:
        ended, how = self._observe(asked.method, asked.target), "cancelled"
        began = self._clock.monotonic()
        try:
            answer = await self._transport.send(asked, credential)
            how = str(answer.code)
            if is_dated_by_the_server(asked.target):
                self.server_clock.answered(answer.headers.get("date", ""), began)
        except KubeError as error:
            how = error.seen
            raise
        else:
            return answer
        finally:
            ended(how)

    def _refusal(self, method: str, path: str, answer: ApiResponse) -> KubeError:
        call = api_call(method, path)
        return refusal(self.access.server, call, answer.code, answer.headers, answer.body)

    async def read(
        self, kind: type[T], method: str, path: str, **options: Unpack[RequestOptions]
    ) -> T:
        """Sends a request and decodes the response as `kind`."""
        answer = await self.request(method, path, **options)
        return decoded(self.json_of(answer), kind, f"{self.access.server}{path}")

    def json_of(self, answer: ApiResponse) -> bytes:
        """The body of a response that must be JSON. Raises NotAnApiServer."""
        if not answer.headers.get("content-type", "").startswith(APPLICATION_JSON):
            raise web_page(self.access.server, answer.headers)
        return answer.body

    async def lines(
        self,
        path: str,
        *,
        query: Mapping[str, str],
        limits: ResponseLimits,
        accept: str = APPLICATION_JSON,
    ) -> AsyncGenerator[bytes, None]:
        """Sends a GET, and yields the response line by line. Retries at most once, after a 401.

        Close the iterator if you leave it early. Raises KubeError, also between lines.
        """
        asked = ApiRequest("GET", f"{path}?{urlencode(query)}", (("Accept", accept),), limits)
        credential, renewed = await self._credentials.current(), False
        while True:
            stream = self._transport.lines(asked, credential)
            async with contextlib.aclosing(stream):
                answer = await anext(stream)
                assert isinstance(answer, ApiResponse)
                refused = credential if answer.code == 401 and not renewed else None
                if refused is None or not (newer := await self._credentials.renewed(refused)):
                    if answer.code != 200:
                        raise self._refusal("WATCH", path, answer)
                    self.json_of(answer)
                    async for line in stream:
                        assert isinstance(line, bytes)
                        yield line
                    return
                credential, renewed = newer, True


def _credentials(
    access: ClusterAccess, clock: Clock, environ: Mapping[str, str], *, interactive: bool
) -> Credentials:
    plugin = access.user.exec
    if plugin is None or goes_before_exec(access.user):
        return UserCredentials(access.user, clock)
    return ExecPlugin(access, plugin, clock, environ, interactive=interactive)


def _wait(error: KubeError, attempt: int) -> float | None:
    """Seconds until a GET is retried; None if a retry would not help."""
    if isinstance(error, RetryLater):
        after = error.retry_after
        return after if after is not None and after <= _LONGEST_WAIT else None
    return 0.2 * 2**attempt if isinstance(error, BrokenOff) else None
