"""/metrics: the metrics of one registry, in Prometheus' text format (version 0.0.4)."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.exposition import generate_latest

from kubevouch.serve.messages import HttpRequest, HttpResponse

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def new_registry() -> CollectorRegistry:
    """A new registry with the metrics of this process. prometheus_client's global registry stays empty."""
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    return made


class _WithoutCreated(CollectorRegistry):
    """A view of a registry without the `_created` series, which Go's client does not write."""

    def __init__(self, whole: CollectorRegistry) -> None:
        super().__init__()
        self._whole = whole

    def collect(self) -> Iterable[Metric]:
        for family in self._whole.collect():
            family.samples = [
                sample for sample in family.samples if not sample.name.endswith("_created")
            ]
            yield family


class Exposition:
    """Serves the metrics of a registry at /metrics."""

    def __init__(self, whole: CollectorRegistry) -> None:
        self._plain = _WithoutCreated(whole)

    async def answer(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - a handler's signature
        """The response to a scrape."""
        return HttpResponse(200, generate_latest(self._plain), CONTENT_TYPE)
