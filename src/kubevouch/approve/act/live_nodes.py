"""Reads Nodes as the API server has them now: one by one, or the versions of all of them where a crowd of CSRs waits.

An object of the same UID and resourceVersion is the same object, byte for byte. So where the API server says, after a CSR
had to be looked at, that a Node has the version that the watch has shown, that Node has been read live, though nothing but
its version was sent. Whichever Node has another version is read itself. docs/internals/decisions/0010 has the reasons and figures.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from kubevouch.approve.decide.view import ClusterView
from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES, Node

READ_AT_ONCE: Final = 16
"""Nodes that are read one by one at the same time."""

SHARED: Final = 2.0
"""Seconds since a list of versions was asked for, in which it answers for Nodes."""

A_CROWD: Final = 16
_DEARER: Final = 16
"""A Node that is read costs as much as the versions of so many, and of many more where no page is asked for."""

_SLOW: Final = SHARED / 2
_NOT_AGAIN: Final = 60.0
"""Seconds without a list of versions after one that failed or came late."""


@dataclass(frozen=True, slots=True)
class NodeRead:
    """A Node as it was at some moment after `began`, by the monotonic clock. node: None if no Node has the name."""

    node: Node | None
    began: float


@dataclass(frozen=True, slots=True)
class _Versions:
    by_name: dict[str, tuple[str, str]]
    began: float


@dataclass
class NodeReader:
    """depth: how many CSRs are to be looked at."""

    api: ApiClient
    clock: Clock
    view: ClusterView
    depth: Callable[[], int]

    _versions: _Versions | None = None
    _not_before: float = 0.0
    _listing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(READ_AT_ONCE))

    async def read(self, name: str, since: float) -> NodeRead:
        """The Node of this name, from the API server and from no cache. Raises KubevouchError.

        since: when somebody wanted to know, by the monotonic clock. Nothing that was asked for earlier is an answer.
        """
        if self._answering(since) is None and self._is_crowd():
            async with self._listing:
                if self._answering(since) is None and self._is_crowd():
                    await self._list()
        if (found := self._confirmed(name, since)) is not None:
            return found
        async with self._reading:
            began = self.clock.monotonic()
            try:
                node = await self.api.get(NODES, name)
            except NotFound:
                return NodeRead(None, began)
        # Another name: ours leads to another path.
        return NodeRead(node if node.name == name else None, began)

    def _answering(self, since: float) -> _Versions | None:
        """The versions that were asked for since then, and a moment ago."""
        versions = self._versions
        if versions is not None and self.clock.monotonic() - versions.began > SHARED:
            versions = self._versions = None
        return versions if versions is not None and versions.began >= since else None

    def _confirmed(self, name: str, since: float) -> NodeRead | None:
        """The Node that the watch has shown, if it is the live one; None if that cannot be told."""
        versions, node = self._answering(since), self.view.nodes.get(name)
        if versions is None or node is None or not node.metadata.resource_version:
            return None
        if versions.by_name.get(name) != (node.uid, node.metadata.resource_version):
            return None
        return NodeRead(node, versions.began)

    def _is_crowd(self) -> bool:
        depth = self.depth()
        large = depth >= A_CROWD and depth * _DEARER >= len(self.view.nodes)
        return large and self.clock.monotonic() >= self._not_before

    async def _list(self) -> None:
        began = self.clock.monotonic()
        try:
            by_name = await self.api.versions(NODES)
        except KubevouchError:
            # Whoever asked reads a Node instead, and says what goes wrong.
            self._not_before = self.clock.monotonic() + _NOT_AGAIN
            return
        now = self.clock.monotonic()
        if now - began > _SLOW:
            self._not_before = now + _NOT_AGAIN
        self._versions = _Versions(by_name, began)
