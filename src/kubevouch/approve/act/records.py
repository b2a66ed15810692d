"""Writes what the approver itself has to remember: into ConfigMaps kubevouch-recorded-*, and into no others."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from kubevouch.approve.decide.view import ClusterView
from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import NotFound, NotSent
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.transport import only_while
from kubevouch.kube.resources import CONFIG_MAPS, ConfigMap, Node
from kubevouch.policy.credentials import NodeCredentials
from kubevouch.policy.sources.nodes import RECORDED, Admitted, RecordedNode, written_record
from kubevouch.policy.sources.stored import NotAnEntry, Unreadable, labels_of, shard_of

_EVERY: Final = 5.0
"""Seconds between two writes of what was learned about client certificates."""

_AT_THE_END: Final = 5.0
"""Seconds that the last write may take: a pod is killed soon after it was asked to end."""


@dataclass
class RecordWriter:
    """may_write: asked right before each write. report: called with each failure."""

    api: ApiClient
    clock: Clock
    view: ClusterView
    namespace: str
    may_write: Callable[[], bool]
    report: Callable[[KubevouchError | str], None]

    _changed: set[str] = field(default_factory=set)
    _gone: set[str] = field(default_factory=set)
    admitting: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from the question to the rule for new nodes until its answer is written, so that it counts right."""

    def changed(self, node: str) -> None:
        """Something else is known of a node's client certificates: soon to be written."""
        self._changed.add(node)

    def gone(self, node: str) -> None:
        """The Node is gone: what the rule for new nodes admitted is forgotten, also if there is a new Node of its name."""
        self._changed.add(node)
        self._gone.add(node)

    async def admit(self, node: Node, admitted: Admitted) -> bool:
        """Writes down what the rule for new nodes admits. Whether that is done: nothing may be approved otherwise."""
        known = self.view.sources.record(node.name)
        if isinstance(known, Unreadable):
            return False
        record = RecordedNode(node.name, node.uid, admitted, self._credentials(node.name))
        text = self._text(record)
        shard = shard_of(RECORDED, node.name)
        if text is None or not await self._written(shard, {node.name: text}):
            return False
        # The watch may not have shown the new Node yet, only that the one before it is gone.
        self._gone.discard(node.name)
        self._changed.discard(node.name)
        return True

    async def run(self) -> None:
        """Writes what has changed about client certificates, until cancelled."""
        while True:
            await self.clock.sleep(_EVERY)
            if self._changed and self.may_write():
                await self._flush()

    async def end(self) -> None:
        """Writes what was learned since the last write: the next process might find the Node gone by then."""
        if self._changed and self.may_write():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AT_THE_END):
                    await self._flush()

    async def _flush(self) -> None:
        nodes, self._changed = self._changed, set()
        shards: dict[str, dict[str, str | None]] = {}
        for node in sorted(nodes):
            known = self.view.sources.record(node)
            if isinstance(known, Unreadable):
                continue  # a newer kubevouch's: it is not written over
            text = self._text_of(node, known)
            if text is None and known is None:
                self._gone.discard(node)
            else:
                shards.setdefault(shard_of(RECORDED, node), {})[node] = text
        left = {node for entries in shards.values() for node in entries}
        try:
            for name, entries in shards.items():
                if await self._written(name, entries):
                    self._gone -= entries.keys()
                    left -= entries.keys()
        finally:  # also where it is cut off, since the process is to end: then it is written at the end
            self._changed |= left

    async def _written(self, name: str, entries: dict[str, str | None]) -> bool:
        try:
            await self._write(name, entries)
        except NotSent:
            return False
        except KubevouchError as error:
            self.report(error)
            return False
        return True

    def _credentials(self, node: str) -> NodeCredentials:
        seen = self.view.credentials
        return (seen.known(node) if seen else None) or NodeCredentials()

    def _text_of(self, node: str, known: RecordedNode | None) -> str | None:
        """The entry of a node; None if there is nothing to remember.

        When a Node is gone it is kept that it was there, and what was borrowed of its name.
        """
        found, there = self._credentials(node), self.view.nodes.get(node)
        if there is None:
            return (
                None
                if found == NodeCredentials()
                else self._text(RecordedNode(node, "", credentials=found))
            )
        # What the rule admitted is bound to the Node that it admitted.
        kept = known and known.admitted and (node not in self._gone or known.uid == there.uid)
        record = known if known and kept else RecordedNode(node, there.uid)
        return self._text(msgspec.structs.replace(record, credentials=found))

    def _text(self, record: RecordedNode) -> str | None:
        try:
            return written_record(record)
        except NotAnEntry as error:
            shard = shard_of(RECORDED, record.node)
            self.report(f"{shard}, {record.node}: {error.seen}; {error.expected}")
            return None

    async def _write(self, name: str, entries: dict[str, str | None]) -> None:
        """One merge patch: other entries are not touched. What was written counts at once, before the watch shows it."""
        found: ConfigMap
        with only_while(self.may_write):
            try:
                found = await self.api.patch(CONFIG_MAPS, name, {"data": entries}, self.namespace)
            except NotFound:
                data = {node: text for node, text in entries.items() if text is not None}
                body = {"metadata": {"name": name, "labels": labels_of("recorded")}, "data": data}
                found = await self.api.create(CONFIG_MAPS, body, self.namespace)
        self.view.sources.wrote(found)
