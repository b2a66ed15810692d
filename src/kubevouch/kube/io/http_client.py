"""Sends a request with the context's credentials, and returns a response of 2xx or raises an error.

Reads are repeated a few times if that can help. A write is sent once, and again only after a 401, with which the
server has done nothing.
"""

import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Final, Protocol, Self, TypeVar
from urllib.parse import urlencode

import msgspec

from kubevouch.clock import Clock
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.api_call import api_call
from kubevouch.kube.decode import decoded
from kubevouch.kube.errors import ApiUnreachable, KubeError, RetryLater, UnreachableKind
from kubevouch.kube.io.credentials import Credential, Credentials, fixed_or_files, goes_before_exec
from kubevouch.kube.io.exec_plugin import ExecPlugin
from kubevouch.kube.io.transport import ApiResponse, ResponseLimits, StreamLimits, Transport
from kubevouch.kube.refusals import refusal, web_page
from kubevouch.kube.server_clock import ServerClock, is_a_kubelets, is_dated_by_the_server

T = TypeVar("T")
JSON = Any

ATTEMPTS: Final = 4
_LONGEST_WAIT: Final = 30.0
APPLICATION_JSON: Final = "application/json"


class RequestObserver(Protocol):
    """Called for each request to the API server when it is sent and when it ends. It never gets a credential."""

    def __call__(self, method: str, target: str, /) -> Callable[[str], None]:
        """Called when a request is sent. target: path and query. Returns a function, called with how it ended: `200`, say."""
        ...


def _unobserved(_method: str, _target: str, /) -> Callable[[str], None]:
    return lambda _: None


class HttpClient:
    """`async with` it.

    environ: what an exec plugin inherits. interactive: whether a plugin may read from our standard input. observe:
    called for each request; the stream of a watch is not one. server_clock: the API server's, as
    its answers show it.
    Every method raises KubeError, or KubeconfigError for a credential's file that is not there.
    """

    def __init__(
        self,
        access: ClusterAccess,
        *,
        clock: Clock,
        environ: Mapping[str, str],
        interactive: bool = False,
        limits: ResponseLimits | None = None,
        observe: RequestObserver = _unobserved,
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
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JSON = None,
        content_type: str = APPLICATION_JSON,
        accept: str = APPLICATION_JSON,
        limits: ResponseLimits | None = None,
    ) -> ApiResponse:
        """The only door: an answer with a code of 2xx, or an error.

        path: quoted, as Resource.path gives it. A GET is repeated after a broken connection and where the server
        says when to come back.
        """
        target = path + (f"?{urlencode(query)}" if query else "")
        headers = [("Accept", accept)]
        data = None
        if body is not None:
            data = msgspec.json.encode(body)
            headers.append(("Content-Type", content_type))
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._once(method, target, headers, data, limits or self._limits)
            except KubeError as error:
                wait = _wait(error, attempt) if method == "GET" and attempt < ATTEMPTS else None
                if wait is None:
                    raise
                await self._clock.sleep(wait)
        raise AssertionError

    async def _once(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]],
        data: bytes | None,
        limits: ResponseLimits,
    ) -> ApiResponse:
        credential = await self._credentials.current()
        answer = await self._send(
            method, target, credential, headers=headers, data=data, limits=limits
        )
        refused = answer.code == 401 and not is_a_kubelets(target)
        if refused and (newer := await self._credentials.renewed(credential)):
            answer = await self._send(
                method, target, newer, headers=headers, data=data, limits=limits
            )
        if not 200 <= answer.code < 300:
            path = target.partition("?")[0]
            server = self.access.server
            raise refusal(server, api_call(method, path), answer.code, answer.headers, answer.body)
        return answer

    async def _send(
        self,
        method: str,
        target: str,
        credential: Credential,
        *,
        headers: Sequence[tuple[str, str]],
        data: bytes | None,
        limits: ResponseLimits,
    ) -> ApiResponse:
        ended, how = self._observe(method, target), "cancelled"
        began = self._clock.monotonic()
        try:
            answer = await self._transport.send(
                method, target, credential, limits, headers=headers, body=data
            )
            how = str(answer.code)
            if is_dated_by_the_server(target):
                self.server_clock.answered(answer.headers.get("date", ""), began)
        except KubeError as error:
            how = error.seen
            raise
        else:
            return answer
        finally:
            ended(how)

    async def read(
        self,
        kind: type[T],
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JSON = None,
        content_type: str = APPLICATION_JSON,
        accept: str = APPLICATION_JSON,
        limits: ResponseLimits | None = None,
    ) -> T:
        """As request, with the answer decoded as `kind`."""
        answer = await self.request(
            method,
            path,
            query=query,
            body=body,
            content_type=content_type,
            accept=accept,
            limits=limits,
        )
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
        limits: StreamLimits,
        accept: str = APPLICATION_JSON,
    ) -> AsyncGenerator[bytes, None]:
        """The lines of a response, until it ends. The request is sent once and never repeated.

        Close the iterator if you leave it early. Raises KubeError, also in the middle.
        """
        target = f"{path}?{urlencode(query)}"
        credential, renewed = await self._credentials.current(), False
        while True:
            stream = self._transport.lines(target, credential, limits, headers=[("Accept", accept)])
            async with contextlib.aclosing(stream):
                answer = await anext(stream)
                assert isinstance(answer, ApiResponse)
                refused = credential if answer.code == 401 and not renewed else None
                if refused is None or not (newer := await self._credentials.renewed(refused)):
                    self._check_stream(answer, path)
                    async for line in stream:
                        assert isinstance(line, bytes)
                        yield line
                    return
                credential, renewed = newer, True

    def _check_stream(self, answer: ApiResponse, path: str) -> None:
        server = self.access.server
        if answer.code != 200:
            raise refusal(server, api_call("WATCH", path), answer.code, answer.headers, answer.body)
        if not answer.headers.get("content-type", "").startswith(APPLICATION_JSON):
            raise web_page(server, answer.headers)


def _credentials(
    access: ClusterAccess, clock: Clock, environ: Mapping[str, str], *, interactive: bool
) -> Credentials:
    plugin = access.user.exec
    if plugin is None or goes_before_exec(access.user):
        return fixed_or_files(access.user, clock)
    return ExecPlugin(access, plugin, clock, environ, interactive=interactive)


def _wait(error: KubeError, attempt: int) -> float | None:
    """Seconds until a GET may be sent again; None if that would not help."""
    if isinstance(error, RetryLater):
        after = error.retry_after
        return after if after is not None and after <= _LONGEST_WAIT else None
    broke = isinstance(error, ApiUnreachable) and error.kind is UnreachableKind.RESET
    return 0.2 * 2**attempt if broke else None
