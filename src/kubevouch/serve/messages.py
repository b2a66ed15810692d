"""A request and an answer as values. What is served knows these, and no HTTP library."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

JSON = Any

_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class User:
    """Who asks, as the API server knows users. `extra`: keys in lower case."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


ANONYMOUS: Final = User("system:anonymous", ("system:unauthenticated",))


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks. path: decoded. query, headers: every value of a name; headers' names in lower case.

    certificates: what he presented in the handshake, DER, leaf first. Nobody here has verified it.
    user: who he is, once that is known.
    """

    method: str
    path: str
    query: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    certificates: tuple[bytes, ...] = ()
    user: User = ANONYMOUS

    def header(self, name: str) -> str:
        """Its first value, "" if it is not there."""
        return next(iter(self.headers.get(name.lower(), ())), "")

    def asked(self, name: str) -> str:
        """The first value of a query parameter, "" if it is not there."""
        return next(iter(self.query.get(name, ())), "")


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, whole."""

    code: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Response]]


def in_json(body: JSON, code: int = 200, content_type: str = "application/json") -> Response:
    """An answer in JSON, with a line break behind it as Go's encoder leaves one."""
    return Response(code, _ENCODER.encode(body) + b"\n", content_type)


def in_text(text: str, code: int = 200) -> Response:
    """An answer in plain text, which no browser may take for anything else."""
    headers = {"X-Content-Type-Options": "nosniff"}
    return Response(code, text.encode(), "text/plain; charset=utf-8", headers)
