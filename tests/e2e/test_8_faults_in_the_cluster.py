"""What goes wrong in the cluster while a run is on, on a lab of ten nodes: what stands on each node, and where NEXT leads.

What comes of each fault is in tests/faults/in_the_cluster.toml. Faults that pass meet one run, each at another node. After those
that do not, NEXT is done literally, and the plan that this makes is the one that the next fault meets; so the tests are in one order.
"""

import json
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from real.prober import probing, read
from tests.cli.program import Ran
from tests.faults.in_the_cluster import IN_THE_CLUSTER

from .cluster import Cluster, Node, Running
from .hostile import Hostile, manifest
from .lab_cluster import LabCluster, LabNode, lab
from .told import config_map, kubelet_files, next_lines, plan, serving_requests

# A node's time is so short here that a machine with other labs on it does not keep it: `make lab-long`.
pytestmark = pytest.mark.long

SERVER = ("digital signature", "server auth")
QUICK = ("--soak", "1s", "--gate-timeout", "12s")
"""Long enough for the first look at a node to be over in time on a machine that is busy."""

PATIENT = ("--soak", "1s")
A_WHILE = 4.0
"""Seconds for which a fault lasts that passes."""

RESTARTED, SERVED, PROVEN = "seeded, written, restarted", "serves it at", "in the metrics API"
METRICS_SERVER = ("scale", "deployment", "metrics-server", "-n", "kube-system")


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
        only = ("--nodes", ",".join(each.name for each in nodes)) if nodes else ()
        plan(self.cluster, path, *only)
        return path

    def start(self, path: Path, *words: str) -> Running:
        return self.cluster.start_kubevouch("fix", "--apply", str(path), "--yes", *words)

    def follow(self, ran: Ran, path: Path) -> Ran:
        """Does what NEXT says, the lines after it, and what the last of these says comes next. Returns how that ended."""
        ended = ran
        for line in next_lines(ran):
            program, *words = shlex.split(line)
            if program == "kubectl":
                self.cluster.kubectl(*words)
                continue
            runs = {"--apply", "--resume"} & {*words}
            ended = self.cluster.kubevouch(*words, *(("--yes", *PATIENT) if runs else ()))
            if "--plan" in words:
                assert ended.code == 0, ended
                assert next_lines(ended) == [f"kubevouch fix --apply {path}"], ended
                self.planned = path
        return ended


def in_short(lines: Sequence[str]) -> str:
    """As the cases write it: the commands without what they are about."""
    ours = [re.sub(r"^kubevouch (doctor|\S+ --?[a-z]+).*", r"\1", line) for line in lines]
    return "; ".join(ours)


@pytest.fixture(scope="module")
def fleet(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    if not isinstance(cluster, LabCluster):
        pytest.skip("on the bed there is one API server for all tests, and four nodes")
    folder = tmp_path_factory.mktemp("fleet")
    with lab(folder / "lab", "--nodes", "10") as found:
        yield Fleet(found, folder)


@pytest.fixture(autouse=True)
def all_mended(fleet: Fleet) -> Iterator[None]:
    yield
    fleet.cluster.end_outage()
    fleet.cluster.start_controller_manager()


@contextmanager
def probed(fleet: Fleet, nodes: Sequence[LabNode]) -> Iterator[None]:
    """No port of these has a handshake that fails, but between the stop of its kubelet and the start of the next one."""
    log, since = fleet.folder / f"probes-{time.monotonic_ns()}", datetime.now(UTC)
    with probing(sys.executable, log, [each.address for each in nodes]):
        yield
    failed = [each for each in read(log) if each.outcome != "ok"]
    assert {each.outcome for each in failed} <= {"refused", "reset"}, failed
    for node in nodes:
        events = node.unit_events("kubelet.service", since)
        stops = [each.at.timestamp() for each in events if each.what == "stopping"]
        starts = [each.at.timestamp() for each in events if each.what == "started"]
        away = [
            (stop, next((each for each in starts if each > stop), float("inf"))) for stop in stops
        ]
        for each in failed:
            if each.address == node.address:
                # `started` is when the process is there; it listens when it has read its files.
                inside = any(stop - 1 <= each.ended and each.began <= up + 3 for stop, up in away)
                assert inside, (node.name, each, away)


def outcomes(ran: Ran) -> dict[str, str]:
    """The table's first two columns."""
    rows = re.findall(r"^(k8s-\S+) +([a-z]+)", ran.out, re.MULTILINE)
    return dict(rows)


STANDS = {"done": "changed", "undone": "before", "": "before"}
"""What stands on a node of this outcome."""


def met(fleet: Fleet, name: str, does: Callable[[Running], None]) -> Ran:
    """A run on the pair meets that fault while its canary waits. What comes of it is what the case says; then NEXT is done."""
    case, nodes = IN_THE_CLUSTER[name], fleet.pair
    before = [kubelet_files(each) for each in nodes]
    path = fleet.plan(*nodes)
    with probed(fleet, nodes):
        running = fleet.start(path, *QUICK)
        running.wait_for(f"{nodes[0].name}  {RESTARTED}")
        does(running)
        ran = running.finish()
        ended = [kubelet_files(each) for each in nodes]
    table = outcomes(ran)
    assert (ran.code, in_short(next_lines(ran))) == (case.code, case.next), ran
    assert STANDS[table[nodes[0].name]] == case.node, ran
    assert table[nodes[1].name] == "untouched", ran
    assert ended == before
    fleet.cluster.start_controller_manager()
    fleet.follow(ran, path)
    return ran


def until_the_end(fleet: Fleet, kind: str) -> Callable[[Running], None]:
    """The API server is like that until the run has put the node back."""

    def does(running: Running) -> None:
        fleet.cluster.begin_outage(kind)
        running.wait_for("  undone: ")
        fleet.cluster.end_outage()

    return does


def test_an_api_server_that_is_down_before_the_first_write(fleet: Fleet) -> None:
    case, path = IN_THE_CLUSTER["down-before-the-first-write"], fleet.plan(*fleet.pair)
    with fleet.cluster.outage("down"):
        ran = fleet.start(path, *QUICK).finish()
    assert (ran.code, in_short(next_lines(ran))) == (case.code, case.next), ran
    assert next_lines(ran)[1] == f"kubevouch fix --apply {path}", ran
    fleet.planned = path


@pytest.mark.parametrize("kind", ["down", "silent"])
def test_an_api_server_that_does_not_answer_until_the_nodes_time_is_over(
    fleet: Fleet, kind: str
) -> None:
    ran = met(fleet, f"{kind}-until-the-time-is-over", until_the_end(fleet, kind))
    assert "undone: API server answers: " in ran.err, ran


def test_a_signer_that_is_down_until_the_nodes_time_is_over(fleet: Fleet) -> None:
    fleet.cluster.stop_controller_manager()
    ran = met(fleet, "signer-down", lambda _: None)
    assert "undone: certificate issued: not signed yet" in ran.err, ran


def test_a_node_that_asks_for_an_address_that_is_not_its_own(fleet: Fleet) -> None:
    node, other = fleet.pair
    kubeconfig = fleet.cluster.node_kubeconfig(node, fleet.folder)
    pem = Hostile("", addresses=(node.address, other.address)).pem(node.name, node.address)

    def asks(_: Running) -> None:
        asked = manifest("not-its-own", pem, SERVER)
        fleet.cluster.kubectl("create", "-f", "-", stdin=asked, kubeconfig=kubeconfig)
        fleet.cluster.start_controller_manager()

    fleet.cluster.stop_controller_manager()
    ran = met(fleet, "names-that-are-not-its-own", asks)
    assert "not-its-own is held: foreign-addresses (" in ran.err, ran
    assert not conditions(fleet, "not-its-own")


def config_text(cluster: Cluster) -> str:
    """From which later nodes are made."""
    text: str = json.loads(config_map(cluster))["kubelet"]
    return text


def conditions(fleet: Fleet, name: str) -> object:
    """What anybody has decided about that CSR."""
    found = serving_requests(fleet.cluster)
    return next(each["status"] for each in found if each["metadata"]["name"] == name)  # type: ignore[index]


@dataclass
class Storm:
    """Faults that pass, each at another node of one run, which is not done before they have."""

    fleet: Fleet
    running: Running

    def at(self, node: LabNode, moment: str) -> str:
        """Waits until the node is there. Returns all that was said so far."""
        return self.running.wait_for(f"{node.name}  {moment}", 240)

    def is_in_hand(self, node: LabNode) -> None:
        assert f"{node.name}  done in " not in self.at(node, RESTARTED), "the fault came too late"

    def outage(self, kind: str, node: LabNode, moment: str) -> None:
        self.at(node, moment)
        with self.fleet.cluster.outage(kind):
            time.sleep(A_WHILE)
            self.is_in_hand(node)

    def signer_down(self, before: LabNode, node: LabNode) -> None:
        self.at(before, PROVEN)
        self.fleet.cluster.stop_controller_manager()
        self.at(node, RESTARTED)
        time.sleep(A_WHILE)
        self.is_in_hand(node)
        self.fleet.cluster.start_controller_manager()

    def another_requestor(self, node: LabNode, other: LabNode) -> None:
        """Who may create CSRs asks in the node's name, and another node asks for the name and the address in its own."""
        self.at(node, RESTARTED)
        cluster = self.fleet.cluster
        own = cluster.node_kubeconfig(other, self.fleet.folder)
        for name, subject, kubeconfig in (("in-its-name", node, None), ("in-its-own", other, own)):
            pem = Hostile("", names=(node.name,)).pem(subject.name, node.address)
            words, asked = ("create", "-f", "-"), manifest(name, pem, SERVER)
            cluster.kubectl(*words, stdin=asked, kubeconfig=kubeconfig)

    def down_at_the_commit(self, node: LabNode) -> None:
        self.at(node, PROVEN)
        with self.fleet.cluster.outage("down"):
            self.running.wait_for(f"{node.name}  done in ")


def test_one_run_goes_through_all_that_passes_and_ends_at_a_config_map_of_somebody_else(
    fleet: Fleet,
) -> None:
    cluster, workers = fleet.cluster, fleet.cluster.workers
    case = IN_THE_CLUSTER["config-map-edited"]
    before, path = [kubelet_files(each) for each in fleet.pair], fleet.plan()
    run = json.loads(path.read_text())["run"]
    with probed(fleet, cluster.nodes):
        running = fleet.start(path, *PATIENT)
        storm = Storm(fleet, running)
        storm.outage("down", workers[0], RESTARTED)
        storm.outage("no-backend", workers[1], RESTARTED)
        storm.outage("overloaded", workers[2], RESTARTED)
        storm.outage("silent", workers[3], RESTARTED)
        storm.outage("down", workers[4], SERVED)
        storm.signer_down(workers[4], workers[5])
        storm.another_requestor(workers[6], workers[0])
        storm.down_at_the_commit(workers[7])
        storm.at(cluster.master, RESTARTED)
        edited = json.dumps({"data": {"kubelet": f"{config_text(cluster)}maxPods: 77\n"}})
        cluster.kubectl("patch", "configmap", "-n", "kube-system", "kubelet-config", "-p", edited)
        ran = running.finish()
    assert (ran.code, in_short(next_lines(ran))) == (case.code, case.next), ran
    assert set(outcomes(ran).values()) == {"done"}, ran
    assert "has been changed by somebody else; it is left as it is" in " ".join(ran.out.split())
    for name in ("in-its-name", "in-its-own"):
        assert not conditions(fleet, name), name
        denied = cluster.kubevouch("csr", "deny", name, "--reason", "not its own", "--yes")
        assert denied.code == 0, denied
    fleet.follow(ran, path)
    ended = cluster.kubevouch("fix", "--apply", str(path), "--yes", *PATIENT)
    assert ended.code == 0, ended
    assert "serverTLSBootstrap: true" in config_text(cluster)
    assert "maxPods: 77" in config_text(cluster)
    pair = ",".join(each.name for each in fleet.pair)
    undone = cluster.kubevouch("undo", str(run), "--nodes", pair, "--yes")
    assert undone.code == 0, undone
    assert [kubelet_files(each) for each in fleet.pair] == before
    fleet.planned = None  # it was made before all this


def test_metrics_that_end_meanwhile_and_are_still_away_in_the_next_run(fleet: Fleet) -> None:
    """First the node is put back, since they were to come. Then nobody asks for more than there was."""
    nodes, client = fleet.pair, fleet.cluster
    before = [kubelet_files(each) for each in nodes]

    def scaled(replicas: int) -> None:
        client.kubectl(*METRICS_SERVER, f"--replicas={replicas}")

    try:
        ran = met(fleet, "metrics-break-meanwhile", lambda _: scaled(0))
        assert "undone: fresh metrics: " in ran.err, ran
        path, case = fleet.plan(*nodes), IN_THE_CLUSTER["metrics-are-broken-before"]
        with probed(fleet, nodes):
            ended = fleet.start(path, *PATIENT).finish()
    finally:
        scaled(3)
    assert ended.code == case.code, ended
    assert set(outcomes(ended).values()) == {"done"}, ended
    undone = client.kubevouch("undo", str(path), "--yes")
    assert undone.code == 0, undone
    assert [kubelet_files(each) for each in nodes] == before
