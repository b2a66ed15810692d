"""The rollout Lease, which prevents concurrent runs and lists nodes with an armed dead-man's switch.

The list is only a hint. The run folder on the node is authoritative.
"""

import contextlib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Annotated

import msgspec

from kubevouch.evidence.survey import RUN_NAME
from kubevouch.kube.resources import Lease

NAMESPACE = "kube-system"
NAME = "kubevouch-rollout"
LEASE = f"Lease {NAMESPACE}/{NAME}"

ARMED = "kubevouch.dev/armed"
"""The annotation that lists nodes whose dead-man's switch may be armed."""

LONGEST_GATES = 3600.0
"""The longest time that `apply` may wait for the checks of one node, in seconds."""

_MOST_ARMED = 64
_LARGEST = 32768
"""The maximum length of the annotation, in characters: enough for _MOST_ARMED nodes with the
longest names."""

_LONGEST_SWITCH = timedelta(seconds=LONGEST_GATES, minutes=5)
"""More than the longest time from writing an entry until its switch fires. We drop entries whose
switch fires later than this after the Lease's last write."""

_UNDO_TIME = timedelta(minutes=1)
"""After a dead-man's switch fires, the undo takes at most this time, including a second attempt."""

_SILENT = timedelta(seconds=20)
"""A holder counts as dead after this time without a renewal. Holders renew every 2 s, and the Lease
lasts 15 s. The times in its managedFields are whole seconds."""

_LATE = timedelta(seconds=6)
"""After this time without a renewal, a holder has missed at least two renewals."""
_LONGEST_WORD = 100
"""We truncate run names and holders to this length, since anybody who may write Leases can choose them."""
_NODE_NAME = r"[a-z0-9.-]{1,253}"
_IN_A_NAME = frozenset("@.-_+:/")


@dataclass(frozen=True)
class RunHolder:
    """The holder of the Lease.

    identity: `RUN on USER@HOST (random)`. An undo's identity ends in `(undo random)`, or in
    `(undo NODE,NODE random)` if it undoes only some nodes. since: when the holder took the Lease.
    silent: time since the last renewal, by the API server's clock.
    """

    identity: str
    since: datetime | None
    silent: timedelta

    @property
    def run(self) -> str:
        """The name of the run in `identity`."""
        return self.identity.split(" ")[0][:_LONGEST_WORD]

    @property
    def where(self) -> str:
        """The user and host in `identity`."""
        said = self.identity.partition(" on ")[2].rpartition(" (")[0] or self.identity
        kept = (c if c.isalnum() or c in _IN_A_NAME else "?" for c in said[:_LONGEST_WORD])
        return "".join(kept)  # nothing that looks like a command to copy

    @property
    def undoes(self) -> bool:
        """Whether the holder is an undo, according to `identity`."""
        return self.identity.rpartition(" (")[2].startswith("undo ")

    @property
    def undone_nodes(self) -> tuple[str, ...]:
        """The nodes that an undo lists in `identity`; empty if it undoes all nodes."""
        words = self.identity.rpartition(" (")[2].split(" ")
        said = words[1].split(",") if self.undoes and len(words) == 3 else ()
        return tuple(each for each in said if re.fullmatch(_NODE_NAME, each))

    @property
    def is_alive(self) -> bool:
        """Whether the holder renewed the Lease recently. A killed process does not release it."""
        return self.silent < _SILENT

    @property
    def is_late(self) -> bool:
        """Whether the holder counts as alive but has missed renewals. It may just have been killed."""
        return self.is_alive and self.silent >= _LATE

    @property
    def counts_for(self) -> int:
        """Seconds until the holder counts as dead if it does not renew: at most 20, whatever the Lease's duration."""
        return ceil((_SILENT - max(self.silent, timedelta())).total_seconds())

    def __str__(self) -> str:
        """The run, its user and host, its start, and whether the holder is alive."""
        since = f" since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        seconds = max(0, round(self.silent.total_seconds()))
        last = f"renewed {seconds} s ago" if self.is_alive else f"not renewed for {seconds} s"
        some = f" on {', '.join(self.undone_nodes)}" if self.undone_nodes else ""
        what = f"undo of run {self.run}{some} by" if self.undoes else f"run {self.run} of"
        return f"{what} {self.where}{since} ({last})"


class _Entry(msgspec.Struct, frozen=True):
    run: str
    due: Annotated[datetime, msgspec.Meta(tz=True)]


@dataclass(frozen=True, slots=True)
class ArmedNode:
    """A node whose dead-man's switch may be armed. due: the latest time at which it fires, by the API server's clock."""

    run: str
    node: str
    due: datetime

    def may_last(self, at: datetime) -> bool:
        """Whether the dead-man's switch may still be armed at this time."""
        return at - _UNDO_TIME <= self.due


def armed_text(nodes: Iterable[ArmedNode]) -> str:
    """Returns the value of the annotation ARMED, with at most _MOST_ARMED nodes."""
    entries = {each.node: _Entry(each.run, each.due) for each in list(nodes)[:_MOST_ARMED]}
    return msgspec.json.encode(entries).decode()


def armed_in(text: str, now: datetime, renewed: datetime) -> tuple[ArmedNode, ...]:
    """Parses the annotation ARMED, and drops implausible entries.

    Anybody who may write Leases can write the annotation. now: the API server's time. renewed: the
    time of the Lease's last write.
    """
    entries: dict[str, _Entry] = {}
    with contextlib.suppress(msgspec.DecodeError, ValueError, RecursionError):
        entries = msgspec.json.decode(text[:_LARGEST], type=dict[str, _Entry])
    found = (ArmedNode(each.run, node, each.due) for node, each in entries.items())
    latest = renewed + _LONGEST_SWITCH
    last = [
        each
        for each in found
        if each.may_last(now)
        and each.due <= latest
        and re.fullmatch(RUN_NAME, each.run)
        and re.fullmatch(_NODE_NAME, each.node)
    ]
    return tuple(last[:_MOST_ARMED])


@dataclass(frozen=True, slots=True)
class SeenLease:
    """The content of the rollout Lease. holder: None if nobody holds it."""

    holder: RunHolder | None = None
    armed: tuple[ArmedNode, ...] = ()

    def armed_among(self, nodes: Collection[str]) -> tuple[ArmedNode, ...]:
        """The entries of `armed` for these nodes."""
        return tuple(each for each in self.armed if each.node in nodes)


def seen_in(lease: Lease, now: datetime) -> SeenLease:
    """Parses the rollout Lease. now: the API server's time."""
    spec, written = lease.spec, lease.written
    if written is None:
        return SeenLease()
    armed = armed_in(lease.metadata.annotations.get(ARMED, ""), now, written)
    if not spec.holder_identity:
        return SeenLease(None, armed)
    return SeenLease(RunHolder(spec.holder_identity, spec.acquire_time, now - written), armed)
