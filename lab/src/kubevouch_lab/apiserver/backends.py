"""What others plug into the API server: rules of a kind, subresources of their own, aggregated APIs."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from kubevouch_lab.apiserver.discovery import GroupVersion
from kubevouch_lab.apiserver.registry.strategy import Strategy
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.objects import Object


@dataclass(frozen=True)
class Call:
    """A request for something special. body: as it is decoded; empty for what has none, and for a proxy's."""

    info: RequestInfo
    http: web.Request
    body: Object = field(default_factory=dict)


Special = Callable[[Call], Awaitable[Object | web.StreamResponse]]
"""Answers for one (group, resource, subresource), after authorization. May raise a StatusError.

An object is what has been created.
"""

Aggregated = Callable[[web.Request, RequestInfo], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Backends:
    """All plug points with their empty defaults.

    specials: by (group, resource, subresource), such as ("", "nodes", "proxy") or
    ("authentication.k8s.io", "tokenreviews", ""); they win over what the server does itself.
    strategies: by resource, in the place of those of the table.
    aggregated: who serves a group and version instead of this server, or None; asked for every resource path that
    the table of kinds does not hold, and for discovery below /apis/<group>/<version>.
    others: what discovery announces beside this server's own kinds: the APIServices that have a service.
    """

    specials: Mapping[tuple[str, str, str], Special] = field(default_factory=dict)
    strategies: Mapping[str, Strategy] = field(default_factory=dict)
    aggregated: Callable[[str, str], Aggregated | None] = lambda _group, _version: None
    others: Callable[[], Iterable[GroupVersion]] = tuple
