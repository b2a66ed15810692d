"""HTTP requests and responses, independent of an HTTP library. A long body is sent in pieces."""

import contextlib
import functools
import zlib
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
)
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, Protocol

import msgspec

JSON = Any

_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class UserInfo:
    """The user of a request, as in a TokenReview. extra: its keys are lower-case."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


NO_SNIFFING: Final = MappingProxyType({"X-Content-Type-Options": "nosniff"})
ANONYMOUS: Final = UserInfo("system:anonymous", ("system:unauthenticated",))


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """An HTTP request. path: decoded. query, headers: all values by name; header names are lower-case.

    certificates: the client's certificates from the handshake, as DER, leaf first, not yet
    verified. user: ANONYMOUS until the request is authenticated. uri: path and query as the client
    sent them, for the log. peer: the client's address and port, for the log.
    """

    method: str
    path: str
    query: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    certificates: tuple[bytes, ...] = ()
    user: UserInfo = ANONYMOUS
    uri: str = ""
    peer: str = ""

    def header(self, name: str) -> str:
        """The first value of a header; "" if it is missing."""
        return next(iter(self.headers.get(name.lower(), ())), "")

    def query_value(self, name: str) -> str:
        """The first value of a query parameter; "" if it is missing."""
        return next(iter(self.query.get(name, ())), "")


def values_by_name(pairs: Iterable[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    """All values by name, in order. Bytes that are not UTF-8 become replacement characters."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        clean = value.encode(errors="surrogateescape").decode(errors="replace")
        found.setdefault(name, []).append(clean)
    return {name: tuple(values) for name, values in found.items()}


class ValuesReadLater(Mapping[str, tuple[str, ...]]):
    """Values by name, parsed on first use.

    Hundreds of requests may be in the queue, each with thousands of values.
    """

    def __init__(self, pairs: Callable[[], Iterable[tuple[str, str]]]) -> None:
        self._pairs = pairs

    @functools.cached_property
    def _values(self) -> Mapping[str, tuple[str, ...]]:
        return values_by_name(self._pairs())

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Pieces(Protocol):
    """A long body: an asynchronous generator that makes each piece just before it is sent."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Returns the generator itself."""
        ...

    def __anext__(self) -> Awaitable[bytes]:
        """The next piece."""
        ...

    def aclose(self) -> Awaitable[None]:
        """Closes the generator, even before its last piece."""
        ...


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An HTTP response. `rest` is the part after `body`, and the receiver must close it."""

    code: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    rest: Pieces | None = None


Handler = Callable[[HttpRequest], Awaitable[HttpResponse]]


def ending(answer: HttpResponse) -> HttpResponse:
    """Adds `Connection: close` to an answer to an unauthenticated client, like apiserver with HTTP/2.

    Source: UnauthenticatedHTTP2DOSMitigation in pkg/endpoints/filters/authentication.go.
    """
    return replace(answer, headers={**answer.headers, "Connection": "close"})


def json_response(body: JSON, code: int = 200) -> HttpResponse:
    """A JSON response with a final line break, like Go's encoder."""
    return HttpResponse(code, _ENCODER.encode(body) + b"\n", "application/json")


def text_response(text: str, code: int = 200) -> HttpResponse:
    """A plain-text response that browsers must not interpret as anything else."""
    return HttpResponse(code, text.encode(), "text/plain; charset=utf-8", NO_SNIFFING)


LONG: Final = 128 * 1024
"""The size in bytes above which a body is sent in pieces. Equals apiserver's defaultGzipThresholdBytes."""
_LEVEL: Final = 1
_GZIP: Final = 16 + zlib.MAX_WBITS


async def response_in_pieces(
    request: HttpRequest,
    pieces: Pieces,
    content_type: str = "application/json",
    *,
    compress_from: int = LONG,
) -> HttpResponse:
    """A response with these pieces as its body. A body over LONG bytes is sent in pieces.

    Bodies of more than `compress_from` bytes are compressed at the lowest level, like apiserver's
    responsewriters (deferredResponseWriter in writers.go). Only one piece at a time is in memory:
    the listener makes the next one when the client has read enough.
    """
    begun: list[bytes] = []
    size = 0
    async for piece in pieces:
        begun.append(piece)
        size += len(piece)
        if size > LONG:
            break
    body = b"".join(begun)
    if size <= compress_from or not accepts_gzip(request):
        return HttpResponse(200, body, content_type, rest=pieces if size > LONG else None)
    own = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    body = compressor.compress(body)
    if size <= LONG:
        return HttpResponse(200, body + compressor.flush(), content_type, own)
    return HttpResponse(200, body, content_type, own, _compressed(pieces, compressor))


def accepts_gzip(request: HttpRequest) -> bool:
    """Whether Accept-Encoding contains gzip. Quality values are ignored, as in negotiateContentEncoding."""
    return "gzip" in (part.strip() for part in request.header("accept-encoding").split(","))


async def _compressed(pieces: Pieces, compressor: "zlib._Compress") -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            yield compressor.compress(piece)
    yield compressor.flush()
