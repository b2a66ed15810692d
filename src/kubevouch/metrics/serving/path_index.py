"""`/`: the paths that are served. Whoever asks for another one gets them, too, with 404 (apiserver's routes/index.go)."""

from collections.abc import Iterable
from typing import Final

import msgspec

from kubevouch.metrics.serving.objects import API_VERSION, GROUP
from kubevouch.serve.messages import Handler, HttpRequest, HttpResponse

_FIXED: Final = (
    "/apis",
    f"/apis/{GROUP}",
    f"/apis/{API_VERSION}",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/openapi/v3/",
    "/statusz",
    "/version",
)


class PathIndex:
    """The index of paths. others: paths besides those of the API."""

    def __init__(self, others: Iterable[str]) -> None:
        self._body = msgspec.json.format(
            msgspec.json.encode({"paths": sorted([*_FIXED, *others])}), indent=2
        )

    def missing(self) -> HttpResponse:
        """The response for a path that is not served."""
        return HttpResponse(404, self._body)

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """The index, and the response for whatever no other handler has."""
        return HttpResponse(200 if request.path in {"/", "/index.html"} else 404, self._body)

    def only(self, handler: Handler, *paths: str) -> Handler:
        """The handler for these paths only, not for what is below them."""

        async def answer(request: HttpRequest) -> HttpResponse:
            return await handler(request) if request.path in paths else self.missing()

        return answer
