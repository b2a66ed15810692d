"""/metrics: a registry's metrics, and texts that are made in pieces, in Prometheus' text format (version 0.0.4)."""

from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import generate_latest

from kubevouch.serve.long_bodies import response_in_pieces
from kubevouch.serve.messages import HttpRequest, HttpResponse

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"


def new_registry() -> CollectorRegistry:
    """A new registry with the metrics of this process. prometheus_client's global registry stays empty."""
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    return made


class Exposition:
    """Serves the metrics of a registry at /metrics. pages: returns more families, as text in pieces."""

    def __init__(
        self, whole: CollectorRegistry, pages: Callable[[], Iterable[str]] = tuple
    ) -> None:
        # Go's client writes no `_created` series.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = whole
        self._pages = pages

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """The response to a scrape. Compressed where the client accepts that, whatever its size, as by Go's handler."""
        return await response_in_pieces(request, self._text(), CONTENT_TYPE, compress_from=0)

    async def _text(self) -> AsyncGenerator[bytes, None]:
        yield generate_latest(self._registry)
        for piece in self._pages():
            yield piece.encode()
