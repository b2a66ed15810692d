"""What an API server saw of a request: the log that tests look into."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web
from multidict import CIMultiDict


@dataclass(frozen=True)
class Subject:
    """The subject of a client certificate that the server's own TLS has verified."""

    common_name: str
    organizations: tuple[str, ...]


@dataclass(frozen=True)
class Seen:
    """One request, whole."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: CIMultiDict[str]
    certificate: Subject | None
    body: bytes


async def seen(request: web.Request) -> Seen:
    """Reads the body and the peer's certificate of a request."""
    return Seen(
        request.method,
        request.path,
        dict(request.query),
        CIMultiDict(request.headers),
        _subject(request),
        await request.read(),
    )


def _subject(request: web.Request) -> Subject | None:
    presented = request.get_extra_info("peercert")
    if not presented:
        return None
    attributes = [attribute for relative in presented["subject"] for attribute in relative]
    names = [value for key, value in attributes if key == "commonName"]
    groups = tuple(value for key, value in attributes if key == "organizationName")
    return Subject(names[0] if names else "", groups)
