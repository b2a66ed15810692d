"""Which node a run of this machine has in hand, beside the plans of runs: $XDG_STATE_HOME/kubevouch/runs/RUN.armed.

`fix --apply` writes it before a node may be armed and removes it when it is not armed any more, so it outlives a kill.
The reading verbs only read it. It is about what this machine has done; the truth is on the node.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from kubevouch.cli.common.runs import kept_run, runs_folder
from kubevouch.cli.common.terminal import Terminal
from kubevouch.evidence.snapshot import Evidence, UnfinishedRun
from kubevouch.rollout.decide.armed import ArmedNode

_LARGEST = 65536


class _Kept(msgspec.Struct, frozen=True):
    """What the file holds."""

    cluster_uid: str
    armed: ArmedNode

    def is_of(self, evidence: Evidence) -> bool:
        """Whether it is about that cluster."""
        return self.cluster_uid == evidence.cluster.uid.value


class ArmedRecord:
    """Called with the node in hand of a run, which it keeps and writes down."""

    def __init__(self, cluster_uid: str, run: str, terminal: Terminal) -> None:
        self.node: ArmedNode | None = None
        self._cluster_uid = cluster_uid
        self._terminal = terminal
        self._path = runs_folder(terminal.environment) / f"{run}.armed"

    def __call__(self, armed: ArmedNode | None) -> None:
        """The node that is or may be armed now; None for none any more."""
        before, self.node = self.node, armed
        try:
            if armed is None:
                self._path.unlink(missing_ok=True)
            elif armed != before:
                self._write(armed)
        except OSError as error:
            self._terminal.note(f"{self._path} cannot be written: {error.strerror}")

    def _write(self, armed: ArmedNode) -> None:
        whole = self._path.with_suffix(".new")
        whole.write_bytes(msgspec.json.encode(_Kept(self._cluster_uid, armed)))
        whole.replace(self._path)
        if armed.sure:  # no two runs are armed on one node
            for path, kept in _all_kept(self._terminal.environment):
                same = (kept.cluster_uid, kept.armed.node) == (self._cluster_uid, armed.node)
                if same and kept.armed.run != armed.run:
                    path.unlink(missing_ok=True)


def forget_armed(run: str, nodes: set[str], environment: Mapping[str, str]) -> None:
    """The run is not armed any more on these nodes."""
    for path, kept in _all_kept(environment):
        if kept.armed.run == run and kept.armed.node in nodes:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def with_unfinished_runs(evidence: Evidence, environment: Mapping[str, str]) -> Evidence:
    """The evidence with the runs that were begun from this machine on that cluster, and may be armed on a node."""
    here = [kept.armed for _, kept in _all_kept(environment) if kept.is_of(evidence)]
    found = tuple(
        UnfinishedRun(armed.run, armed.node, armed.fires, str(plan), armed.sure)
        for armed in here
        if (plan := kept_run(armed.run, environment))
    )
    return replace(evidence, unfinished_runs=found)


def _all_kept(environment: Mapping[str, str]) -> Iterator[tuple[Path, _Kept]]:
    """Every record with its file. A file that cannot be read as one is passed over."""
    for path in sorted(runs_folder(environment).glob("*.armed")):
        with contextlib.suppress(OSError, msgspec.DecodeError):
            with path.open("rb") as file:
                data = file.read(_LARGEST)
            yield path, msgspec.json.decode(data, type=_Kept)
