"""/statusz: what runs since when, for people, as Kubernetes' servers tell it (component-base's zpages/statusz)."""

from typing import Final

from kubevouch import __version__
from kubevouch.clock import Clock
from kubevouch.serve.messages import HttpRequest, HttpResponse

_HEAD: Final = (
    "\nmetrics-server statusz\n"
    "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for "
    "debugging purposes only.\n\n"
)
_PATHS: Final = "/healthz /livez /metrics /readyz /version"


class Statusz:
    """Answers /statusz. The server counts as started at the moment when this object is made."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started = clock.now()

    async def answer(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - a handler's signature
        """The page."""
        up = int((self._clock.now() - self._started).total_seconds())
        text = (
            f"{_HEAD}Started  {self._started:%a %b %d %H:%M:%S} UTC {self._started:%Y}\n"
            f"Up  {up // 3600} hr {up // 60 % 60:02} min {up % 60:02} sec\n"
            f"Binary version  kubevouch {__version__}\n"
            f"Paths  {_PATHS}\n"
        )
        return HttpResponse(200, text.encode(), "text/plain; charset=utf-8")
