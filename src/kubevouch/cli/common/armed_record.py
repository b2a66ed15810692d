"""Which nodes a run of this machine has in hand, beside the plans of runs: $XDG_STATE_HOME/kubevouch/runs/RUN.armed.

`apply` and `undo` write a node down before it may be armed and strike it when it is not armed any more, so that it outlives a kill.
`doctor` and `verify` only read it. It is about what this machine has done; the truth is on the node, and whoever looks there
strikes what has ended. A file that cannot be read (a power cut, a full disk) counts as what the run's log says of the same.
"""

import contextlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec

from kubevouch.cli.common.files import write_whole
from kubevouch.cli.common.run_history import (
    as_known_here,
    cluster_of,
    in_hand_by_log,
    switches_due_by,
    was_begun_here,
)
from kubevouch.cli.common.run_log import RunLog, log_armed
from kubevouch.cli.common.runs import kept_plan, runs_folder
from kubevouch.cli.common.terminal import Terminal
from kubevouch.evidence.snapshot import Evidence, UnfinishedRun
from kubevouch.evidence.survey import RUN_NAME
from kubevouch.rollout.decide.armed import ArmedNode, over_on
from kubevouch.rollout.decide.plan import NodePlan
from kubevouch.rollout.decide.run_status import RunOnNode

_LARGEST = 65536


class _Kept(msgspec.Struct, frozen=True):
    """What the file holds."""

    cluster_uid: str
    armed: tuple[ArmedNode, ...]
    """All of one run."""

    def is_of(self, evidence: Evidence) -> bool:
        """Whether it is about that cluster."""
        return self.cluster_uid == evidence.cluster.uid.value


class ArmedRecord:
    """Called with each node in hand of a run, which it keeps and writes down."""

    def __init__(
        self, cluster_uid: str, run: str, terminal: Terminal, log: RunLog | None = None
    ) -> None:
        self._log = log
        self._cluster_uid = cluster_uid
        self._terminal = terminal
        self._path = runs_folder(terminal.environment) / f"{run}.armed"
        kept = _kept_in(self._path, terminal.environment)
        before = kept.armed if kept and kept.cluster_uid == cluster_uid else ()
        self.nodes = {each.node: each for each in before}
        """By name; at first those that the run was cut off on, as far as is written down here."""

        self._unkept: set[str] = set()
        """Those of which the last word of this process could not be written."""

    def __call__(self, node: str, armed: ArmedNode | None) -> None:
        """How the node is or may be armed now; None for not any more."""
        kept = _kept_in(self._path, self._terminal.environment)
        here = kept.armed if kept and kept.cluster_uid == self._cluster_uid else ()
        if self.nodes.get(node) == armed and (armed or node not in {each.node for each in here}):
            return
        self._unkept.add(node)
        self.nodes.pop(node, None)
        if armed is not None:
            self.nodes[node] = armed
        if self._log is not None:
            log_armed(self._log, node, armed)
        # Another process of the run may have written since: of the other nodes the file counts.
        others = tuple(each for each in here if each.node not in self._unkept)
        own = tuple(each for name, each in self.nodes.items() if name in self._unkept)
        try:
            _keep(self._path, _Kept(self._cluster_uid, (*others, *own)))
            self._unkept.clear()
            if armed is not None and armed.sure:
                self._no_other(armed)
        except OSError as error:
            self._terminal.note(f"{self._path} cannot be written: {error.strerror}")
            if self._log is not None and self._log.is_whole:
                _leave_to_the_log(self._path)

    def _no_other(self, armed: ArmedNode) -> None:
        """Strikes the node from the records of other runs: no two are armed on one node."""
        for path, kept in _all_kept(self._terminal.environment):
            if kept.cluster_uid == self._cluster_uid and path != self._path:
                _strike(path, kept, {armed.node})


def forget_ended(
    statuses: Iterable[RunOnNode],
    cluster_uid: str,
    environment: Mapping[str, str],
    *,
    settled: bool,
) -> None:
    """Strikes what the nodes of that cluster say is over. Not to be called while a run is under way. settled: see `over_on`."""
    rows = tuple(statuses)
    for path, kept in _all_kept(environment):
        if kept.cluster_uid == cluster_uid:
            with contextlib.suppress(OSError):
                _strike(path, kept, over_on(kept.armed, rows, settled=settled))


def _strike(path: Path, kept: _Kept, nodes: Collection[str]) -> None:
    left = tuple(each for each in kept.armed if each.node not in nodes)
    if left != kept.armed:
        _keep(path, _Kept(kept.cluster_uid, left))


def _keep(path: Path, kept: _Kept) -> None:
    """Writes the record whole, and on the disk; one without a node is removed."""
    if not kept.armed:
        path.unlink(missing_ok=True)
        return
    write_whole(path, msgspec.json.encode(kept), path.with_suffix(".armed.new"))


def _leave_to_the_log(path: Path) -> None:
    """Empties it, which needs no space on a full disk: then the run's log counts, which says the same."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    with contextlib.suppress(OSError):
        os.close(os.open(path, flags, 0o600))


def with_unfinished_runs(evidence: Evidence, environment: Mapping[str, str]) -> Evidence:
    """The evidence with the runs that were begun from this machine on that cluster, and may be armed on a node."""
    kept_here = [kept for _, kept in _all_kept(environment) if kept.is_of(evidence)]
    here = [armed for kept in kept_here for armed in kept.armed]
    found = tuple(
        UnfinishedRun(armed.run, armed.node, armed.fires, armed.sure)
        for armed in here
        if re.fullmatch(RUN_NAME, armed.run)
    )
    holder = evidence.run_holder.value
    if holder is None:
        return replace(evidence, unfinished_runs=found)
    own = holder.identity if was_begun_here(holder.identity, environment) else ""
    known = replace(evidence.run_holder, value=as_known_here(holder, environment))
    had_nodes = bool(own) and switches_due_by(holder.run, environment) is not None
    return replace(
        evidence,
        unfinished_runs=found,
        run_holder=known,
        own_holder=own,
        own_is_over=had_nodes and not armed_by(holder.run, environment),
    )


def armed_by(run: str, environment: Mapping[str, str]) -> tuple[ArmedNode, ...]:
    """The nodes that this run has in hand, as far as is written down here."""
    kept = _kept_in(runs_folder(environment) / f"{run}.armed", environment)
    return kept.armed if kept else ()


def armed_by_run(environment: Mapping[str, str]) -> Mapping[str, tuple[ArmedNode, ...]]:
    """The same of every run that has some in hand, also where its plan is not kept here any more."""
    return {path.stem: kept.armed for path, kept in _all_kept(environment)}


def armed_on(cluster_uid: str, environment: Mapping[str, str]) -> tuple[ArmedNode, ...]:
    """The nodes of that cluster that runs of this machine have in hand, as far as is written down here."""
    every = [kept for _, kept in _all_kept(environment) if kept.cluster_uid == cluster_uid]
    return tuple(armed for kept in every for armed in kept.armed)


def has_in_hand(names: Collection[str], environment: Mapping[str, str]) -> bool:
    """Whether a run of this machine may have a node of one of these names in hand, on whichever cluster."""
    return any(each.node in names for _, kept in _all_kept(environment) for each in kept.armed)


def in_hand_besides(
    names: Collection[str], now: datetime, environment: Mapping[str, str]
) -> tuple[tuple[str, NodePlan], ...]:
    """The nodes besides these that runs of this machine have in hand, as their plans reach them, each with its cluster's UID.

    None whose switch was due: a machine that is gone for good has a record for good.
    """
    return tuple(
        (kept.cluster_uid, node)
        for _, kept in _all_kept(environment)
        for armed in kept.armed
        if armed.fires > now
        and armed.node not in names
        and (plan := kept_plan(armed.run, environment))
        for node in plan.nodes
        if node.node == armed.node
    )


def _all_kept(environment: Mapping[str, str]) -> Iterator[tuple[Path, _Kept]]:
    """Every record with its file. What can be read neither there nor off its run's log is passed over."""
    for path in sorted(runs_folder(environment).glob("*.armed")):
        if kept := _kept_in(path, environment):
            yield path, kept


def _kept_in(path: Path, environment: Mapping[str, str]) -> _Kept | None:
    if not path.is_file():
        return None
    unreadable = (OSError, msgspec.DecodeError, ValueError, RecursionError)
    with contextlib.suppress(*unreadable), path.open("rb") as file:
        return msgspec.json.decode(file.read(_LARGEST), type=_Kept)
    armed = in_hand_by_log(path.stem, environment)
    return _Kept(cluster_of(path.stem, environment), armed) if armed else None
