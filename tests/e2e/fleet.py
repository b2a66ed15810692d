"""A lab of many nodes and its operators, for what goes wrong in a cluster while a run is on. Nothing here is to be quick.

A node that a fault is to meet is held there until the fault has shown: by signers that stand still, by the lock on the node, without
which a run begins and commits nothing, or by an APIService that leads nowhere.
"""

import fcntl
import json
import re
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubevouch.rollout.decide.advice import some
from real.node import UnitEvent
from real.prober import Attempt, probing, read
from tests.cli.program import Ran

from .cluster import Node
from .lab_cluster import LabCluster, LabNode
from .programs import Running
from .told import config_map, csrs_of, eventually, next_lines, plan

PATIENT = ("--soak", "1s")
RESTARTED = "config written, kubelet restarted"
SERVED, PROVEN = "serves it at", "in the metrics API"
LONGEST = 300
"""Seconds for what comes within a few on a machine that does nothing else."""

SEES_NO_ANSWER = ("waits for API server answers (", "waiting for the API server: ")
"""What a run says as soon as its requests go wrong."""

_STORE = "/var/lib/kubelet/.kubevouch"
_METRICS_API = ("apiservice", "v1beta1.metrics.k8s.io")
_LISTENS_WITHIN = 30.0
"""Seconds from a kubelet's start to its next handshake on a machine that is busy; without a fault it is less than one."""


@dataclass
class Fixer:
    """Somebody with the printed role and nothing else. The token is in a file, which a helper writes anew beside the run."""

    cluster: LabCluster
    folder: Path
    name: str = "fixer"
    role: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.login()
        self.role = self.cluster.kubevouch("apply", "--print-role").out
        self.cluster.bind(self.role, "kubevouch-rollout", self.name)

    @property
    def kubeconfig(self) -> Path:
        return self.folder / f"{self.name}.kubeconfig"

    @property
    def under(self) -> Sequence[str]:
        """The words under which a program runs as this one."""
        return ("env", f"KUBECONFIG={self.kubeconfig}")

    def may_approve(self, *, may: bool) -> None:
        rule = "resources: [certificatesigningrequests/approval]"
        assert rule in self.role
        none = self.role.replace(rule, "resources: [certificatesigningrequests/none]")
        changed = self.role if may else none
        self.cluster.kubectl("apply", "-f", "-", stdin=changed)

    def login(self) -> None:
        """From now on there is a credential that is good, in the file that the kubeconfig names."""
        token, where = self.folder / f"{self.name}.token", ("-n", "default")
        self.cluster.kubectl("create", "serviceaccount", self.name, *where)
        made = self.cluster.kubectl("create", "token", self.name, *where, "--duration=2h").stdout
        new = token.with_suffix(".new")
        new.write_text(made)
        new.rename(token)
        path = self.cluster.kubeconfig_with(self.folder, self.name)
        words = ("config", "set", f"users.{self.name}.tokenFile", str(token))
        self.cluster.kubectl(*words, kubeconfig=path)

    def logout(self) -> None:
        """What is in that file is good no more; the rights stay, for the next one of this name."""
        self.cluster.kubectl("delete", "serviceaccount", self.name, "-n", "default")


@dataclass
class Fleet:
    """A lab of many nodes, and its operator, who knows what the last command said and does literally that."""

    cluster: LabCluster
    folder: Path
    planned: Path | None = None
    """The plan that NEXT has led to, not applied yet."""

    made: int = field(default=0, init=False)

    @property
    def pair(self) -> Sequence[LabNode]:
        """Two nodes that are put back after each fault: the first one is a canary, which the other waits for."""
        return self.cluster.workers[:2]

    def plan(self, *nodes: Node) -> Path:
        """A new plan; that of `pair` is the one that NEXT has led to, if there is one."""
        if self.planned is not None and tuple(nodes) == tuple(self.pair):
            path, self.planned = self.planned, None
            return path
        self.made += 1
        path = self.folder / f"plan-{self.made}.json"
        only = some([each.name for each in nodes])
        wanted = len(nodes or self.cluster.nodes)

        def whole() -> bool:
            """A node that does not answer in time, on a machine that is busy, is left out."""
            return len(plan(self.cluster, path, *only)["nodes"]) == wanted

        eventually(whole, "a plan for all of these nodes", seconds=LONGEST)
        return path

    def start(self, path: Path, *words: str, by: Fixer | None = None) -> Running:
        under = by.under if by else ()
        asked = ("apply", str(path), "--yes", *words)
        return self.cluster.start_kubevouch(*asked, under=under)

    def follow(self, ran: Ran, path: Path) -> Ran:
        """Does what NEXT says, the lines after it, and what the last of these says comes next. Returns how that ended."""
        ended = ran
        for line in next_lines(ran):
            program, *words = shlex.split(line)
            if program == "kubectl":
                self.cluster.kubectl(*words)
                continue
            runs = words[0] in ("apply", "resume")
            ended = self.cluster.kubevouch(*words, *(("--yes", *PATIENT) if runs else ()))
            if words[0] == "plan":
                assert ended.code == 0, ended
                [after] = next_lines(ended)
                assert after.startswith(f"kubevouch apply {path} "), "with the flags of the run"
                self.planned = path
        return ended

    def take_back(self, run: str, *nodes: Node) -> None:
        """Puts these nodes of a run back; all, if none is named. What NEXT did may have put another plan in the place of its own.

        Where a machine that is busy lets ssh to a node break off, NEXT is the same undo again.
        """
        only = some([each.name for each in nodes])

        def undone() -> bool:
            ran = self.cluster.kubevouch("undo", run, *only, "--yes")
            line = next_lines(ran)[0]
            assert ran.code == 0 or line.startswith(f"kubevouch undo {run}"), ran
            return ran.code == 0

        eventually(undone, f"that {run} is undone", LONGEST)

    def nobody_serves_metrics(self, *, away: bool) -> None:
        """The APIService leads to a Service that is not there; or to its own again."""
        name = "nobody" if away else "metrics-server"
        patch = json.dumps({"spec": {"service": {"name": name, "namespace": "kube-system"}}})
        self.cluster.kubectl("patch", *_METRICS_API, "--type=merge", "-p", patch)

    def newest_csr(self, node: Node) -> dict[str, Any]:
        """The last one that was made in the node's name."""
        made = csrs_of(self.cluster, node)
        return max(made, key=lambda each: str(each["metadata"]["creationTimestamp"]))

    @property
    def config_text(self) -> str:
        """From which later nodes are made."""
        text: str = json.loads(config_map(self.cluster))["kubelet"]
        return text


def run_of(plan_file: Path) -> str:
    """The run that this plan is for."""
    return str(json.loads(plan_file.read_text())["run"])


def in_short(lines: Sequence[str]) -> str:
    """As the cases write it: the commands without what they are about."""
    ours = [re.sub(r"^kubevouch (\S+).*", r"\1", line) for line in lines]
    return "; ".join(ours)


def outcomes(ran: Ran) -> dict[str, str]:
    """The table's first two columns."""
    rows = re.findall(r"^(k8s-\S+) +([a-z]+)", ran.out, re.MULTILINE)
    return dict(rows)


def once_said(running: Running, texts: Sequence[str], after: int = 0) -> None:
    """Waits until it has said one of these; after: how much it had said before."""

    def said() -> bool:
        new = running.wait_for("")[after:]
        return any(each in new for each in texts)

    eventually(said, " or ".join(texts), seconds=LONGEST)


@contextmanager
def locked(node: LabNode) -> Iterator[None]:
    """As another call at work on the node would: a run's own waits for half a minute."""
    node.sh(f"mkdir -p -m 700 {_STORE}; : >>{_STORE}/lock")
    with node.files.path(f"{_STORE}/lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def probed(fleet: Fleet, nodes: Sequence[LabNode]) -> Iterator[None]:
    """No port of these has a handshake that fails, but between the stop of its kubelet and when the next one listens."""
    log, since = fleet.folder / f"probes-{time.monotonic_ns()}", datetime.now(UTC)
    with probing(sys.executable, log, [each.address for each in nodes]):
        yield
    attempts = read(log)
    assert {each.outcome for each in attempts} <= {"ok", "refused", "reset"}, [
        each for each in attempts if each.outcome != "ok"
    ]
    for node in nodes:
        of_node = [each for each in attempts if each.address == node.address]
        away = silences(node.unit_events("kubelet.service", since), of_node)
        for each in of_node:
            inside = any(stop - 1 <= each.ended and each.began <= up for stop, up in away)
            assert each.outcome == "ok" or inside, (node.name, each, away)
        assert all(up < float("inf") for _, up in away), (node.name, "not started again", away)


def silences(events: Sequence[UnitEvent], attempts: Sequence[Attempt]) -> list[tuple[float, float]]:
    """From each stop of the kubelet to the beginning of the first handshake with the next one, seconds since 1970.

    A process that has started listens once it has read its files: soon, however busy the machine is.
    """
    found = []
    for stop in (each.at.timestamp() for each in events if each.what == "stopping"):
        starts = [each.at.timestamp() for each in events if each.what == "started"]
        up = next((each for each in starts if each > stop), float("inf"))
        good = (each.began for each in attempts if each.outcome == "ok" and each.began > up)
        first = next(good, float("inf"))
        found.append((stop, min(first, up + _LISTENS_WITHIN)))
    return found
