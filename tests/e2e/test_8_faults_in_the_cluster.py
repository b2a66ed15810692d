"""What goes wrong in the cluster while a run is on, on a lab of many nodes: what stands on each node, and where NEXT leads.

What comes of each fault is in tests/faults/in_the_cluster.toml. Faults that pass meet one run (storm.py), each at another node. After
those that do not, NEXT is done literally, and the plan that this makes is the one that the next fault meets; so the tests are in one
order.
"""

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.faults.in_the_cluster import IN_THE_CLUSTER

from .fleet import (
    LONGEST,
    PATIENT,
    Fixer,
    Fleet,
    in_short,
    once_said,
    outcomes,
    probed,
    run_of,
)
from .hostile import Hostile, ask
from .lab_cluster import LabCluster, lab
from .programs import Running
from .put_back import UNDONE, met, put_back
from .storm import Storm
from .told import (
    ended,
    eventually,
    kubelet_files,
    next_lines,
    ready_metrics_servers,
    status_of_csr,
)

pytestmark = pytest.mark.long_on_the_bed

NODES = 13
NAME = "not-its-own"
METRICS_SERVER = ("scale", "deployment", "metrics-server", "-n", "kube-system")


@pytest.fixture(scope="module")
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LabCluster]:
    """In the place of the one that the other tests share: no second lab runs beside it."""
    if request.config.getoption("--cluster") != "lab":
        pytest.skip("on the bed there is one API server for all tests, and four nodes")
    with lab(tmp_path_factory.mktemp("lab"), "--nodes", str(NODES)) as found:
        yield found


@pytest.fixture(scope="module")
def fleet(cluster: LabCluster, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return Fleet(cluster, tmp_path_factory.mktemp("fleet"))


@pytest.fixture(scope="module")
def fixer(fleet: Fleet) -> Fixer:
    return Fixer(fleet.cluster, fleet.folder)


@pytest.fixture(autouse=True)
def all_mended(fleet: Fleet) -> Iterator[None]:
    yield
    fleet.cluster.end_outage()
    fleet.cluster.start_controller_manager()


def test_an_api_server_that_is_down_before_the_first_write(fleet: Fleet) -> None:
    case, path = IN_THE_CLUSTER["down-before-the-first-write"], fleet.plan(*fleet.pair)
    with fleet.cluster.outage("down"):
        ran = fleet.start(path, *PATIENT).finish()
    assert (ran.code, in_short(next_lines(ran))) == (case.code, case.next), ran
    assert next_lines(ran)[1].startswith(f"kubevouch apply {path} "), ran
    fleet.planned = path


def test_an_api_server_that_is_down_until_the_nodes_time_is_over(fleet: Fleet) -> None:
    def down(running: Running) -> None:
        fleet.cluster.begin_outage("down")
        running.wait_for(f"  {UNDONE}", LONGEST)
        fleet.cluster.end_outage()

    put_back(fleet, "down-until-the-time-is-over", "API server answers: ", down)


def test_a_signer_that_is_down_until_the_nodes_time_is_over(fleet: Fleet) -> None:
    why = "certificate issued: not signed yet"
    put_back(fleet, "signer-down", why, lambda _: fleet.cluster.stop_controller_manager())


def test_a_node_that_asks_for_an_address_that_is_not_its_own(fleet: Fleet) -> None:
    node, other = fleet.pair
    kubeconfig = fleet.cluster.node_kubeconfig(node, fleet.folder)
    pem = Hostile("", addresses=(node.address, other.address)).pem(node.name, node.address)
    asked: list[str] = []

    def asks(running: Running) -> None:
        once_said(running, (f"{node.name}  waits for certificate issued (", UNDONE))
        # CSRs are dated in whole seconds; this one is to be the newest, whatever becomes of the kubelet's own.
        own = datetime.fromisoformat(fleet.newest_csr(node)["metadata"]["creationTimestamp"])
        eventually(lambda: datetime.now(UTC) - own > timedelta(seconds=1), "the next second")
        asked.append(f"{NAME}-{len(asked)}")
        ask(fleet.cluster, asked[-1], pem, kubeconfig=kubeconfig)
        once_said(running, (f"waits for approval by the policy ({asked[-1]} is held: ", UNDONE))
        fleet.cluster.start_controller_manager()

    ran = put_back(fleet, "names-that-are-not-its-own", f"approval by the policy: {NAME}-", asks)
    assert f"{asked[-1]} is held: foreign-addresses (" in ran.err, ran
    assert not any(status_of_csr(fleet.cluster, each) for each in asked)


def test_credentials_that_are_bad_until_the_nodes_time_is_over(fleet: Fleet, fixer: Fixer) -> None:
    def end(_: Running) -> None:
        fixer.logout()
        fleet.cluster.start_controller_manager()

    put_back(fleet, "credentials-end", "API server answers: ", end, by=fixer, again=fixer.login)
    fixer.login()


def test_a_node_that_is_deleted_before_its_turn(fleet: Fleet) -> None:
    """Its kubelet registers it again when it is started the next time."""
    canary, node = fleet.pair

    def deleted(_: Running) -> None:
        fleet.cluster.kubectl("delete", "node", node.name)
        fleet.cluster.start_controller_manager()

    ran, path = met(fleet, "next-node-deleted", deleted)
    assert outcomes(ran)[node.name] == "untouched", ran
    run = run_of(path)
    ended(fleet.cluster, 0, *shlex.split(next_lines(ran)[-1])[1:])
    assert not json.loads(path.read_text())["nodes"], "what is there is done"
    fleet.take_back(run, canary)
    node.sh("systemctl restart kubelet")
    ready = ("wait", "--for=condition=Ready", f"node/{node.name}", "--timeout=1s")
    eventually(
        lambda: fleet.cluster.kubectl(*ready, check=False).returncode == 0, "the node", LONGEST
    )


def test_a_node_that_cannot_be_reached_at_its_turn(fleet: Fleet) -> None:
    canary, node = fleet.pair

    def cut(_: Running) -> None:
        node.cut_ssh()
        fleet.cluster.start_controller_manager()

    ran, path = met(fleet, "next-node-unreachable", cut)
    assert outcomes(ran)[node.name] == "untouched", ran
    run = run_of(path)
    node.mend()
    fleet.follow(ran, path)
    fleet.take_back(run, canary)
    fleet.planned = None


@pytest.fixture
def storm(fleet: Fleet, fixer: Fixer) -> Iterator[Storm]:
    path = fleet.plan()
    workers = {each.name: each for each in fleet.cluster.workers}
    planned = [each["node"] for each in json.loads(path.read_text())["nodes"]]
    nodes = [workers[each] for each in planned if each in workers]
    made = Storm(fleet, fixer, path, [*nodes, fleet.cluster.master])
    yield made
    made.let_go()


def test_one_run_goes_through_all_that_passes_and_ends_at_a_config_map_of_somebody_else(
    fleet: Fleet, storm: Storm
) -> None:
    cluster, case = fleet.cluster, IN_THE_CLUSTER["config-map-edited"]
    before, nodes = [kubelet_files(each) for each in fleet.pair], storm.nodes
    other = fleet.plan(nodes[8])
    cordoned = ("get", "node", nodes[7].name, "-o", "jsonpath={.spec.unschedulable}")
    run = run_of(storm.path)
    with probed(fleet, nodes):
        storm.begin(*PATIENT)
        storm.outage("down", nodes[0])
        storm.outage("no-backend", nodes[1])
        storm.outage("overloaded", nodes[2])
        storm.outage("silent", nodes[3])
        storm.signer_late(nodes[4])
        storm.other_operators(nodes[5], other, nodes[8])
        storm.other_requestors(nodes[6], nodes[0])
        storm.written_by_others(nodes[7])
        storm.approved_by_hand(nodes[8])
        storm.denied_by_hand(nodes[9])
        storm.credentials_replaced(nodes[10])
        storm.down_at_the_commit(nodes[11])
        storm.down_while_the_gates_run(nodes[12])
        ran = storm.running.finish()
    assert (ran.code, in_short(next_lines(ran))) == (case.code, case.next), ran
    assert set(outcomes(ran).values()) == {"done"}, ran
    assert "somebody else has changed or recreated the object" in " ".join(ran.out.split())
    assert cluster.kubectl(*cordoned).stdout == "true"
    cluster.kubectl("uncordon", nodes[7].name)
    for name in ("in-its-name", "in-its-own"):
        assert not status_of_csr(cluster, name), name
        ended(cluster, 0, "csr", "deny", name, "--reason", "not its own", "--yes")
    fleet.follow(ran, storm.path)
    ended(cluster, 0, "apply", str(storm.path), "--yes", *PATIENT)
    assert "serverTLSBootstrap: true" in fleet.config_text
    assert "maxPods: 77" in fleet.config_text
    fleet.take_back(run, *fleet.pair)
    assert [kubelet_files(each) for each in fleet.pair] == before
    fleet.planned = None  # it was made before all this


def test_metrics_that_end_meanwhile_and_are_still_away_in_the_next_run(fleet: Fleet) -> None:
    """First the node is put back, since they were to come. Then nobody asks for more than there was."""
    nodes, client = fleet.pair, fleet.cluster
    before = [kubelet_files(each) for each in nodes]

    def scaled(replicas: int) -> None:
        client.kubectl(*METRICS_SERVER, f"--replicas={replicas}")

    def come_again() -> None:
        fleet.nobody_serves_metrics(away=False)
        scaled(3)
        eventually(lambda: ready_metrics_servers(client) == "3/3", "metrics", LONGEST)

    def ends(_: Running) -> None:
        fleet.nobody_serves_metrics(away=True)
        client.start_controller_manager()
        scaled(0)

    try:
        put_back(fleet, "metrics-break-meanwhile", "fresh metrics: ", ends, again=come_again)
        path, case = fleet.plan(*nodes), IN_THE_CLUSTER["metrics-are-broken-before"]
        fleet.nobody_serves_metrics(away=False)
        with probed(fleet, nodes):
            last = fleet.start(path, *PATIENT).finish()
    finally:
        scaled(3)
    assert last.code == case.code, last
    assert set(outcomes(last).values()) == {"done"}, last
    fleet.take_back(run_of(path))
    assert [kubelet_files(each) for each in nodes] == before
