"""The ways in which an API server may not answer for a while, as its clients see them."""

from enum import StrEnum

from aiohttp import web

_PAGE = "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n"


class Outage(StrEnum):
    """One of them."""

    DOWN = "down"
    """Nobody listens there."""

    NO_BACKEND = "no-backend"
    """The load balancer before it finds no server behind itself, answers with a page of its own, and cuts connections."""

    OVERLOADED = "overloaded"
    """It asks its clients to come again, all but system:masters. Watches that are open go on."""

    SILENT = "silent"
    """Connections are cut; then it takes requests and answers none."""


def no_server() -> web.Response:
    """As HAProxy answers where no server is up."""
    headers = {"Cache-Control": "no-cache", "Connection": "close"}
    return web.Response(status=503, text=_PAGE, content_type="text/html", headers=headers)


def too_many_requests() -> web.Response:
    """As apiserver's pkg/server/filters/maxinflight.go (tooManyRequests) answers."""
    text = "Too many requests, please try again later.\n"
    return web.Response(status=429, text=text, headers={"Retry-After": "1"})
