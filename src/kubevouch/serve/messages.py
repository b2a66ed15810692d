"""HTTP requests and responses as values, also with long bodies.

Handlers use these, and no HTTP library.
"""

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
    """The user of a request, as the API server describes users. `extra`: keys in lower case."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


NO_SNIFFING: Final = MappingProxyType({"X-Content-Type-Options": "nosniff"})
ANONYMOUS: Final = UserInfo("system:anonymous", ("system:unauthenticated",))


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """An HTTP request. path: decoded. query, headers: all values by name; header names in lower case.

    certificates: the client's certificates from the handshake, DER, leaf first, not yet verified.
    user: ANONYMOUS until the request is authenticated. uri, peer: the path with its query as the
    client wrote them, and the client's address with port; for the log only.
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
        """The first value of a header, "" if it is missing."""
        return next(iter(self.headers.get(name.lower(), ())), "")

    def query_value(self, name: str) -> str:
        """The first value of a query parameter, "" if it is missing."""
        return next(iter(self.query.get(name, ())), "")


def values_by_name(pairs: Iterable[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    """All values by name, in order; bytes that are not UTF-8 become replacement characters."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        clean = value.encode(errors="surrogateescape").decode(errors="replace")
        found.setdefault(name, []).append(clean)
    return {name: tuple(values) for name, values in found.items()}


class ValuesReadLater(Mapping[str, tuple[str, ...]]):
    """Values by name, read on first use: hundreds of strangers may wait for a turn, each with thousands of values."""

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
    """A long body, made piece by piece during sending: an asynchronous generator."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """This very object."""
        ...

    def __anext__(self) -> Awaitable[bytes]:
        """The next piece."""
        ...

    def aclose(self) -> Awaitable[None]:
        """Ends it, even before its end."""
        ...


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An HTTP response with its body. rest: the continuation of `body`, which the receiver closes in the end."""

    code: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    rest: Pieces | None = None


Handler = Callable[[HttpRequest], Awaitable[HttpResponse]]


def ending(answer: HttpResponse) -> HttpResponse:
    """The answer for an unknown client: it ends the connection, like apiserver with HTTP/2.

    (UnauthenticatedHTTP2DOSMitigation in pkg/endpoints/filters/authentication.go.)
    """
    return replace(answer, headers={**answer.headers, "Connection": "close"})


def json_response(body: JSON, code: int = 200) -> HttpResponse:
    """A JSON response that ends in a line break, like Go's encoder."""
    return HttpResponse(code, _ENCODER.encode(body) + b"\n", "application/json")


def text_response(text: str, code: int = 200) -> HttpResponse:
    """A plain-text response that browsers must not interpret as anything else."""
    return HttpResponse(code, text.encode(), "text/plain; charset=utf-8", NO_SNIFFING)


LONG: Final = 128 * 1024
"""Bytes: defaultGzipThresholdBytes."""
_LEVEL: Final = 1
_GZIP: Final = 16 + zlib.MAX_WBITS


async def response_in_pieces(
    request: HttpRequest,
    pieces: Pieces,
    content_type: str = "application/json",
    *,
    compress_from: int = LONG,
) -> HttpResponse:
    """A response of these pieces: whole up to LONG bytes, else with a rest. gzip above compress_from bytes.

    Like apiserver's responsewriters (deferredResponseWriter in writers.go), at the cheapest level.
    Only one piece is held: the listener makes the next one when the client has taken enough.
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
    """Whether the client names gzip (negotiateContentEncoding, which ignores qualities)."""
    return "gzip" in (part.strip() for part in request.header("accept-encoding").split(","))


async def _compressed(pieces: Pieces, compressor: "zlib._Compress") -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            yield compressor.compress(piece)
    yield compressor.flush()
