"""Both servers go to another image and back, one after the other, while nodes ask for certificates and the metrics API is asked."""

import http.client
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from image import building, oci
from image.folders import Folders
from tests.support.api_connection import ApiConnection, RefusedRequest, path_of

from .approver.conftest import address
from .approver.installed import InstalledApprover, assert_approved_once, installed
from .approver.simulated import CSRS, Joining, SimulatedNode, joining
from .bed_cluster import BedCluster
from .cluster import Cluster, Node
from .in_place import other_server_away
from .told import ended, eventually, names

METRICS = "/apis/metrics.k8s.io/v1beta1/nodes"
SERVERS = {"approver": "kubevouch-system", "metrics-server": "kube-system"}
CROWD, TURNS, EACH = 40, 4, 5
"""Simulated nodes beside the real ones; how many wait at a time; CSRs of each, fewer than a node's budget."""

A_SECOND = 10
"""Questions about metrics, each on a connection that is kept."""

SLOWEST, LATE = 60.0, 10.0
"""Seconds for an honest CSR (with one control plane the former approver ends before the next one starts), and for an answer."""

Asker = tuple[float, float, Iterator[None]]
"""After how many seconds it begins, how many lie between two questions, and what asks each time that it goes on."""


@pytest.fixture
def another_image(
    cluster: Cluster, image_reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The same content by another digest: its configuration names another second."""
    if not isinstance(cluster, BedCluster):
        return image_reference[:-64] + "5b" * 32
    archive = oci.archive
    monkeypatch.setattr(oci, "archive", lambda made, version, epoch, *more: archive(made, version, epoch + 1, *more))  # fmt: skip
    return cluster.bed.load_image(building.build(Folders.of(os.environ), tmp_path).archive)


@contextmanager
def _asking(askers: Sequence[Asker]) -> Iterator[None]:
    """Each asks until the block ends."""
    over = threading.Event()

    def ask(after: float, seconds: float, asks: Iterator[None]) -> None:
        ends = time.monotonic() + after
        while not over.wait(max(0.0, ends - time.monotonic())):
            ends = time.monotonic() + seconds
            if next(asks, over) is over:
                return

    with ThreadPoolExecutor(len(askers)) as pool:
        threads = [pool.submit(ask, *each) for each in askers]
        try:
            yield
        finally:
            over.set()
    for each in threads:
        each.result()


@dataclass
class Metrics:
    """What came of each question about the metrics of nodes."""

    cluster: Cluster
    took: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def by_connection(self, site: Joining) -> Iterator[None]:
        """On a connection that is kept."""
        with closing(ApiConnection(site.server, site.admin.context)) as api:
            while True:
                self._ask(lambda: [e["metadata"]["name"] for e in api.get(METRICS)["items"]])
                yield

    def by_kubectl(self) -> Iterator[None]:
        """`kubectl top nodes`, which lists simulated nodes as unknown."""

        def look() -> list[str]:
            ran = self.cluster.kubectl("top", "nodes", "--no-headers", check=False)
            if ran.returncode:
                raise RefusedRequest(ran.returncode, ran.stderr)
            return [e.split()[0] for e in ran.stdout.splitlines() if "<unknown>" not in e]

        while True:
            self._ask(look)
            yield

    def _ask(self, look: Callable[[], list[str]]) -> None:
        began = time.monotonic()
        try:
            found = str(sorted(look()))
        except (RefusedRequest, OSError, http.client.HTTPException) as error:
            found = repr(error)
        self.took.append(time.monotonic() - began)
        if found != str(names(self.cluster.nodes)) or self.took[-1] > LATE:
            at = datetime.now(UTC)
            self.failed.append(f"{at:%T} after {self.took[-1]:.1f} s: {found}")


@dataclass
class Csrs:
    """Serving CSRs: honest ones of nodes that take turns, with the seconds until their approval, and hostile ones."""

    site: Joining
    honest: dict[str, float] = field(default_factory=dict)
    hostile: list[str] = field(default_factory=list)

    def ask(self, nodes: Sequence[SimulatedNode]) -> Iterator[None]:
        """Each waits for its certificate, as a kubelet does, and asks for no more than it may have."""
        for node in itertools.chain(*[nodes] * EACH):
            began, name = time.monotonic(), node.ask()
            condition = self.site.approved(name, SLOWEST)
            self.honest[name] = time.monotonic() - began
            assert condition["reason"] == "KubevouchApprove", condition
            yield

    def lie(self, thief: SimulatedNode, other: Node) -> Iterator[None]:
        claims = [(other.name, thief.address), (thief.name, other.address)]
        for name, claimed in itertools.cycle([*claims, ("kubernetes", thief.address)]):
            self.hostile.append(thief.ask(claimed, names=[name]))
            yield


@contextmanager
def _holder(site: Joining, node: Node) -> Iterator[SimulatedNode]:
    """Who has that kubelet's own client certificate."""
    pair = site.folder / f"{node.name}.pem"
    pair.write_bytes(node.read("/var/lib/kubelet/pki/kubelet-client-current.pem"))
    with closing(ApiConnection(site.server, ApiConnection.trusting(site.ca, pair))) as api:
        yield SimulatedNode(node.name, node.address, api, site.folder)


def _upgraded(cluster: Cluster, verb: str, image: str) -> None:
    """Until no pod is left that runs another image. None of the new ones was started again."""
    began = time.monotonic()
    ended(cluster, 0, verb, "upgrade", "--image", image, "--yes")
    print(f"{verb} upgraded in {time.monotonic() - began:.0f} s")
    chosen = ("-n", SERVERS[verb], "-l", f"app.kubernetes.io/name=kubevouch-{verb}")

    def listed(path: str) -> set[str]:
        words = ("get", "pods", *chosen, "-o", f"jsonpath={{.items[*].{path}}}")
        return set(cluster.kubectl(*words).stdout.split())

    eventually(lambda: listed("spec.containers[*].image") == {image}, "no former pod")
    assert listed("status.containerStatuses[*].restartCount") == {"0"}


@pytest.mark.long_on_the_bed
@pytest.mark.long_on_a_lab
def test_upgrade_and_downgrade_leave_no_question_unanswered_and_approve_once(
    cluster: Cluster, image_reference: str, another_image: str, tmp_path: Path, now: datetime
) -> None:
    cluster.state("healthy")
    metrics = Metrics(cluster)
    with ExitStack() as stack:
        stack.enter_context(installed(cluster, image_reference))
        stack.enter_context(other_server_away(cluster))
        stack.callback(ended, cluster, 0, "metrics-server", "remove", "--yes")
        ended(cluster, 0, "metrics-server", "install", "--image", image_reference, "--yes")
        site = stack.enter_context(joining(cluster, tmp_path))
        csrs = Csrs(site)
        *honest, thief = (stack.enter_context(_holder(site, node)) for node in cluster.nodes)
        honest += site.join_all({f"sim-{each}.example.com": address() for each in range(CROWD)})
        askers: list[Asker] = [(k, TURNS, csrs.ask(honest[k::TURNS])) for k in range(TURNS)]
        askers += [(k / A_SECOND, 1, metrics.by_connection(site)) for k in range(A_SECOND)]
        askers += [(0, 1, csrs.lie(thief, cluster.workers[0])), (0, 2, metrics.by_kubectl())]
        with _asking(askers):
            for image in (another_image, image_reference):
                for verb in SERVERS:
                    time.sleep(5)
                    _upgraded(cluster, verb, image)
            time.sleep(5)
        print(
            f"{len(csrs.honest)} honest CSRs approved within {max(csrs.honest.values()):.1f} s, {len(csrs.hostile)} hostile; "
            f"{len(metrics.took)} answers about metrics within {max(metrics.took):.1f} s"
        )
        assert not metrics.failed, metrics.failed
        assert_approved_once(InstalledApprover(cluster), csrs.honest, now)
        for name in csrs.hostile:
            found = site.admin.get(path_of(CSRS, name))
            assert not found.get("status"), found
        for name in (*csrs.honest, *csrs.hostile):
            site.admin.delete(path_of(CSRS, name))
