"""Writes the approver's records into ConfigMaps kubevouch-recorded-*."""

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

_INTERVAL: Final = 5.0
"""Seconds between writes of changed records."""

_EXIT_TIMEOUT: Final = 5.0
"""How many seconds the writes at exit may take. A pod is killed soon after SIGTERM."""


@dataclass
class RecordWriter:
    """Writes records. may_write: called right before a write. report: called with each failure."""

    api: ApiClient
    clock: Clock
    view: ClusterView
    namespace: str
    may_write: Callable[[], bool]
    report: Callable[[KubevouchError | str], None]

    _changed: set[str] = field(default_factory=set)
    _gone: set[str] = field(default_factory=set)
    admitting: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the rule for new nodes is evaluated and its result written, since the rule limits the number of admissions."""

    def changed(self, node: str) -> None:
        """Remembers that a node's client certificates have changed, so that `run` writes them."""
        self._changed.add(node)

    def gone(self, node: str) -> None:
        """Remembers that a Node was deleted, so that `run` updates its record.

        The record then loses the Node's admission by the rule for new nodes. A new Node with the
        same name needs a new admission.
        """
        self._changed.add(node)
        self._gone.add(node)

    async def admit(self, node: Node, admitted: Admitted) -> bool:
        """Records an admission by the rule for new nodes.

        Returns False if that fails; the CSR must then not be approved.
        """
        known = self.view.sources.record(node.name)
        if isinstance(known, Unreadable):
            return False
        record = RecordedNode(node.name, node.uid, admitted, self._credentials(node.name))
        text = self._text(record)
        shard = shard_of(RECORDED, node.name)
        if text is None or not await self._written(shard, {node.name: text}):
            return False
        # The watch may have shown only that the previous Node is gone, and not yet the new one.
        self._gone.discard(node.name)
        self._changed.discard(node.name)
        return True

    async def run(self) -> None:
        """Writes changed records until cancelled."""
        while True:
            await self.clock.sleep(_INTERVAL)
            if self._changed and self.may_write():
                await self._flush()

    async def end(self) -> None:
        """Writes the pending changes at exit.

        The next process may be unable to find them: a Node may be deleted before it starts.
        """
        if self._changed and self.may_write():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EXIT_TIMEOUT):
                    await self._flush()

    async def _flush(self) -> None:
        nodes, self._changed = self._changed, set()
        shards: dict[str, dict[str, str | None]] = {}
        for node in sorted(nodes):
            known = self.view.sources.record(node)
            if isinstance(known, Unreadable):
                continue  # a newer kubevouch wrote it: do not overwrite
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
        finally:  # also on cancellation: `end` writes the rest
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
        """The record entry of a node; None if there is nothing to record.

        The entry of a deleted Node records that the Node existed, and the client certificates that
        somebody else requested for its name.
        """
        found, there = self._credentials(node), self.view.nodes.get(node)
        if there is None:
            return (
                None
                if found == NodeCredentials()
                else self._text(RecordedNode(node, "", credentials=found))
            )
        # The rule admitted one particular Node.
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
        """Writes a merge patch, which leaves other entries unchanged.

        `view` gets the written ConfigMap at once, without waiting for the watch.
        """
        found: ConfigMap
        with only_while(self.may_write):
            try:
                found = await self.api.patch(CONFIG_MAPS, name, {"data": entries}, self.namespace)
            except NotFound:
                data = {node: text for node, text in entries.items() if text is not None}
                body = {"metadata": {"name": name, "labels": labels_of("recorded")}, "data": data}
                found = await self.api.create(CONFIG_MAPS, body, self.namespace)
        self.view.sources.wrote(found)
