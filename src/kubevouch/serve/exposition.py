"""/metrics: the numbers of one registry, in Prometheus' text form (version 0.0.4)."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.exposition import generate_latest

from kubevouch.serve.messages import Request, Response

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def registry() -> CollectorRegistry:
    """A registry of our own, with the process' numbers in it. prometheus_client's global one stays empty."""
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    return made


class _Plain(CollectorRegistry):
    """Without the `_created` series, which Go's client does not write and nobody here reads."""

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
    """Answers /metrics."""

    def __init__(self, whole: CollectorRegistry) -> None:
        self._plain = _Plain(whole)

    async def answer(self, request: Request) -> Response:  # noqa: ARG002 - a handler's signature
        """The page."""
        return Response(200, generate_latest(self._plain), CONTENT_TYPE)
