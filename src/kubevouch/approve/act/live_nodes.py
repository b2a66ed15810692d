"""Reads live Nodes from the API server: one by one, or all Nodes' versions if many CSRs wait.

A version is a Node's UID and resourceVersion: while both are the same, the Node has not changed. So
it is enough to list the versions after a CSR was queued. If the watch has already shown the listed
version of a Node, the watched Node is current. Other Nodes are read one by one.
docs/internals/decisions/0010 has the reasons and figures.
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
"""How many single Nodes are read concurrently."""

SHARED: Final = 2.0
"""Seconds for which a list of the Nodes' versions may be used, counted from its request."""

A_CROWD: Final = 16
_READ_COST: Final = 16
"""Reading one Node costs at least as much as listing this many versions."""

_SLOW: Final = SHARED / 2
_LIST_PAUSE: Final = 60.0
"""Seconds during which versions are not listed again, after a list that failed or was slow."""


@dataclass(frozen=True, slots=True)
class NodeRead:
    """The result of reading a Node. node: None if no Node has the name. began: when the read began, by the monotonic clock."""

    node: Node | None
    began: float


@dataclass(frozen=True, slots=True)
class _Versions:
    by_name: dict[str, tuple[str, str]]
    began: float


@dataclass
class NodeReader:
    """Reads live Nodes. depth: returns the number of CSRs that are due for a decision."""

    api: ApiClient
    clock: Clock
    view: ClusterView
    depth: Callable[[], int]

    _versions: _Versions | None = None
    _not_before: float = 0.0
    _listing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(READ_AT_ONCE))

    async def read(self, name: str, since: float) -> NodeRead:
        """Returns the Node with this name as the API server has it now. Raises KubevouchError.

        since: the earliest time at which the read may begin, by the monotonic clock.
        """
        if self._recent(since) is None and self._is_crowd():
            async with self._listing:
                if self._recent(since) is None and self._is_crowd():
                    await self._list()
        if (found := self._confirmed(name, since)) is not None:
            return found
        async with self._reading:
            began = self.clock.monotonic()
            try:
                node = await self.api.get(NODES, name)
            except NotFound:
                return NodeRead(None, began)
        # The names differ if `name` led to another URL path.
        return NodeRead(node if node.name == name else None, began)

    def _recent(self, since: float) -> _Versions | None:
        """The last list of versions, if requested after `since` and at most SHARED seconds ago."""
        versions = self._versions
        if versions is not None and self.clock.monotonic() - versions.began > SHARED:
            versions = self._versions = None
        return versions if versions is not None and versions.began >= since else None

    def _confirmed(self, name: str, since: float) -> NodeRead | None:
        """The watched Node if a list of versions proves that it is current; otherwise None."""
        versions, node = self._recent(since), self.view.nodes.get(name)
        if versions is None or node is None or not node.metadata.resource_version:
            return None
        if versions.by_name.get(name) != (node.uid, node.metadata.resource_version):
            return None
        return NodeRead(node, versions.began)

    def _is_crowd(self) -> bool:
        depth = self.depth()
        large = depth >= A_CROWD and depth * _READ_COST >= len(self.view.nodes)
        return large and self.clock.monotonic() >= self._not_before

    async def _list(self) -> None:
        began = self.clock.monotonic()
        try:
            by_name = await self.api.versions(NODES)
        except KubevouchError:
            # The caller reads the Node instead, and reports the failure.
            self._not_before = self.clock.monotonic() + _LIST_PAUSE
            return
        now = self.clock.monotonic()
        if now - began > _SLOW:
            self._not_before = now + _LIST_PAUSE
        self._versions = _Versions(by_name, began)
