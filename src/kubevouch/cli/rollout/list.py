"""What `status --list` does: the runs that were begun on this machine, by what is kept of them here. It asks nobody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kubevouch.cli.common.armed_record import armed_by_run
from kubevouch.cli.common.documents import print_document
from kubevouch.cli.common.run_history import how_it_ended, is_worth_a_look, switches_due_by
from kubevouch.cli.common.runs import check_can_be_looked_into, kept_plans, runs_folder
from kubevouch.cli.common.terminal import Terminal
from kubevouch.errors import ExitCode
from kubevouch.rollout.decide.armed import ArmedNode, last_heard_of
from kubevouch.rollout.decide.next_for_status import status_of
from kubevouch.rollout.decide.plan import Plan
from kubevouch.system_clock import SystemClock

SCHEMA = "kubevouch.runs/1"


def list_runs(terminal: Terminal) -> int:
    """A row a run, the newest first. Raises KubevouchError where it is not known which there are."""
    check_can_be_looked_into(terminal.environment)
    now, environment = SystemClock().now(), terminal.environment
    plans, armed = dict(kept_plans(environment)), armed_by_run(environment)
    lost = (runs_folder(environment) / f"{run}.json" for run in armed)
    plans |= {path: None for path in lost if path not in plans}
    kept = [_Kept(path, plan, armed.get(path.stem, ())) for path, plan in plans.items()]
    rows = [_row(each, _ended(each, environment, now), now) for each in kept]
    if terminal.prints_json:
        print_document(terminal, SCHEMA, {"runs": rows})
        return ExitCode.OK
    if not rows:
        terminal.out(
            f"No run was begun on this machine (none is kept in {runs_folder(environment)})."
        )
    else:
        heads = ("RUN", "PLANNED", "CLUSTER", "NODES", "AS FAR AS IS KNOWN HERE")
        terminal.table(heads, [_cells(row) for row in rows])
    terminal.command("NEXT     ", status_of(_worth_a_look(kept, environment)))
    return ExitCode.OK


@dataclass(frozen=True)
class _Kept:
    """What is kept of a run beside its log. plan: None if it cannot be read, or is gone. armed: the nodes that it has in hand."""

    path: Path
    plan: Plan | None
    armed: tuple[ArmedNode, ...]

    @property
    def is_broken(self) -> bool:
        """Whether its plan is here and cannot be read: a status of that run ends with that, and one of all nodes does not."""
        return self.plan is None and self.path.exists()


def _worth_a_look(kept: Sequence[_Kept], environment: Mapping[str, str]) -> str:
    """The newest run that may have a node in hand, or was cut off and followed by no other; else the newest. Empty if none of their plans can be read."""
    cut_off = (
        "" if each.is_broken else each.path.stem
        for each in kept
        if each.armed
        or (
            each.plan and is_worth_a_look(each.plan.run, each.plan.cluster.cluster_uid, environment)
        )
    )
    return next(cut_off, next((each.plan.run for each in kept if each.plan), ""))


def _ended(kept: _Kept, environment: Mapping[str, str], now: datetime) -> str:
    """What it came to; of one that was cut off and has no node in hand any more, also when the last of its switches was due."""
    run = kept.path.stem
    due = None if kept.armed else switches_due_by(run, environment)
    told = how_it_ended(run, environment)
    if due is None or due >= now:
        return told
    return f"{told}; the switches of what it had in hand were due by {due:%Y-%m-%d %H:%M:%S} UTC"


def _cells(row: Mapping[str, object]) -> list[str]:
    """A row under the heads. Clusters of kubeadm have one context's name, so the server stands beside it."""
    cluster = " at ".join(filter(None, (str(row["cluster"]), str(row["server"]))))
    return [str(row["run"]), str(row["planned"]), cluster, str(row["nodes"]), str(row["state"])]


def _row(kept: _Kept, ended: str, now: datetime) -> Mapping[str, object]:
    plan = kept.plan
    in_hand = ", ".join(last_heard_of(each, now) for each in kept.armed)
    if plan is None:
        lacks = "its plan cannot be read" if kept.is_broken else "its plan is not here any more"
        return {
            "run": kept.path.stem,
            "planned": "",
            "cluster": "",
            "server": "",
            "clusterUid": "",
            "nodes": 0,
            "state": "; ".join(filter(None, (in_hand, lacks))),
        }
    return {
        "run": plan.run,
        "planned": f"{plan.made_at:%Y-%m-%d %H:%M:%S} UTC",
        "cluster": plan.cluster.context,
        "server": plan.cluster.server,
        "clusterUid": plan.cluster.cluster_uid,
        "nodes": len(plan.nodes),
        "state": "; ".join(filter(None, (in_hand or "no node is in hand", ended))),
    }
