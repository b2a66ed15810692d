"""/openapi/v2 and /openapi/v3: the aggregator merges them into the API server's own, and kubectl explain reads them.

openapi.json holds the documents: {"v2": document, "v3": {name: document}}, without `info`. Paths, types and kinds are those
of metrics-server, so that nothing contradicts what the API server publishes; tests/metrics_api compares them with its answers.
"""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

from kubevouch import __version__
from kubevouch.serve.messages import HttpRequest, HttpResponse
from kubevouch.serve.negotiation import accepted, not_accepted
from kubevouch.serve.statuses import no_such_path

_INFO: Final = {"info": {"title": "Kubernetes metrics-server", "version": f"v{__version__}"}}


async def openapi(request: HttpRequest) -> HttpResponse:
    """The response for /openapi/v2, /openapi/v3 and the documents that v3 lists."""
    if accepted(request, ()) is None:
        return not_accepted()
    name = request.path.partition("/openapi/")[2].removesuffix("/")
    body = _bodies().get(name)
    if body is None:
        # apiserver's answer for a document of v3 that is not there is an empty one.
        return HttpResponse(200, b"", "") if name.startswith("v3/") else no_such_path()
    tag = f'"{_hash(body)}"'
    headers = {"ETag": tag, "Vary": "Accept"}
    if request.header("if-none-match") == tag:
        return HttpResponse(304, b"", headers=headers)
    return HttpResponse(200, body, "application/json", headers)


@cache
def _bodies() -> dict[str, bytes]:
    """By the path below /openapi/."""
    read: dict[str, Any] = msgspec.json.decode(
        files(__package__).joinpath("openapi.json").read_bytes()
    )
    documents = {"v2": read["v2"], **{f"v3/{name}": each for name, each in read["v3"].items()}}
    found = {name: msgspec.json.encode({**each, **_INFO}) for name, each in documents.items()}
    paths = {
        name.removeprefix("v3/"): {"serverRelativeURL": f"/openapi/{name}?hash={_hash(body)}"}
        for name, body in sorted(found.items())
        if name != "v2"
    }
    return {**found, "v3": msgspec.json.encode({"paths": paths})}


def _hash(body: bytes) -> str:
    return hashlib.sha512(body).hexdigest().upper()
