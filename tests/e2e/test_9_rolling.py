"""Both servers go to another image and back, one after the other, while nodes ask for certificates and the metrics API is asked."""

import hashlib
import http.client
import io
import itertools
import json
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest

from image import building
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
CROWD, TURNS, EACH = 32, 4, 5
"""Simulated nodes beside the real ones; how many wait at a time; CSRs of each, fewer than a node's budget."""

A_SECOND = 10
"""So many questions about metrics come in a second, each on a kept connection of its own asker."""

SLOWEST = 60.0
"""Seconds until an honest CSR is approved. On one control plane the former approver ends before the next one starts."""

LATE = 10.0
"""Seconds that no answer may take."""


@pytest.fixture
def another_image(cluster: Cluster, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same content by another digest: its manifest has one more annotation."""
    if not isinstance(cluster, BedCluster):
        return "registry.example.com/kubevouch@sha256:" + "5b" * 32
    built: building.Image = request.getfixturevalue("built_image")
    made = tmp_path / "another.tar"
    with tarfile.open(built.archive) as old, tarfile.open(made, "w") as new:
        files = {each.name: old.extractfile(each).read() for each in old}  # type: ignore[union-attr]
        index = json.loads(files["index.json"])
        (entry,) = index["manifests"]
        manifest = json.loads(files[f"blobs/{entry['digest'].replace(':', '/')}"])
        manifest["annotations"]["dev.kubevouch.test"] = "another"
        data = json.dumps(manifest).encode()
        entry |= {"digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}
        files[f"blobs/{entry['digest'].replace(':', '/')}"] = data
        files["index.json"] = json.dumps(index).encode()
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    return cluster.bed.load_image(made)


class Askers:
    """Threads that ask over and over until the block ends. What one of them raises, the end of the block raises."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._raised: list[BaseException] = []
        self._threads: list[threading.Thread] = []

    def start(self, seconds: float, asks: Iterator[object], *, after: float = 0.0) -> None:
        """Asks by going on with that iterator; so many seconds lie between two beginnings, unless it takes longer."""

        def repeat() -> None:
            self._over.wait(after)
            try:
                while not self._over.is_set():
                    ends = time.monotonic() + seconds
                    next(asks)
                    self._over.wait(max(0.0, ends - time.monotonic()))
            except StopIteration:
                return
            except BaseException as error:  # noqa: BLE001 - the end of the block raises it
                self._raised.append(error)

        self._threads.append(threading.Thread(target=repeat))
        self._threads[-1].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for each in self._threads:
            each.join()
        if self._raised:
            raise self._raised[0]


class Metrics:
    """What came of each question about the metrics of nodes."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.took: list[float] = []
        self.failed: list[str] = []

    def by_connection(self, site: Joining) -> Iterator[None]:
        """On a connection that is kept."""
        with closing(ApiConnection(site.server, site.admin.context)) as api:
            while True:
                self._ask(lambda: [e["metadata"]["name"] for e in api.get(METRICS)["items"]])
                yield

    def by_kubectl(self) -> Iterator[None]:
        """`kubectl top nodes`, which lists simulated nodes as unknown."""

        def look() -> list[str]:
            ran = self._cluster.kubectl("top", "nodes", "--no-headers", check=False)
            if ran.returncode:
                raise RefusedRequest(ran.returncode, ran.stderr)
            return [e.split()[0] for e in ran.stdout.splitlines() if "<unknown>" not in e]

        while True:
            self._ask(look)
            yield

    def _ask(self, look: Callable[[], list[str]]) -> None:
        began, failure = time.monotonic(), ""
        try:
            found = sorted(look())
            failure = "" if found == names(self._cluster.nodes) else f"has only {found}"
        except (RefusedRequest, OSError, http.client.HTTPException) as error:
            failure = repr(error)
        self.took.append(time.monotonic() - began)
        if failure or self.took[-1] > LATE:
            at = datetime.now(UTC)
            self.failed.append(f"{at:%T} after {self.took[-1]:.1f} s: {failure or 'late'}")


class Csrs:
    """Serving CSRs: honest ones of nodes that take turns, and hostile ones."""

    def __init__(self, site: Joining) -> None:
        self._site = site
        self.honest: dict[str, float] = {}
        """Seconds until it was approved."""

        self.hostile: list[str] = []

    def ask(self, nodes: Sequence[SimulatedNode]) -> Iterator[None]:
        """Each waits for its certificate, as a kubelet does, and asks for no more than it may have."""
        for node in itertools.chain(*[nodes] * EACH):
            began, name = time.monotonic(), node.ask()
            condition = self._site.approved(name, SLOWEST)
            self.honest[name] = time.monotonic() - began
            assert condition["reason"] == "KubevouchApprove", condition
            yield

    def lie(self, thief: SimulatedNode, other: Node) -> Iterator[None]:
        claims = [(other.name, thief.address), (thief.name, other.address)]
        for name, claimed in itertools.cycle([*claims, ("kubernetes", thief.address)]):
            self.hostile.append(thief.ask(claimed, names=[name]))
            yield


@contextmanager
def _served_by_ours(cluster: Cluster, image: str) -> Iterator[None]:
    with other_server_away(cluster):
        try:
            ended(cluster, 0, "metrics-server", "install", "--image", image, "--yes")
            yield
        finally:
            ended(cluster, 0, "metrics-server", "remove", "--yes")


def _holder(cluster: Cluster, site: Joining, node: Node) -> SimulatedNode:
    """Who has that kubelet's own client certificate."""
    pair = site.folder / f"{node.name}.pem"
    pair.write_bytes(node.read("/var/lib/kubelet/pki/kubelet-client-current.pem"))
    api = ApiConnection(site.server, ApiConnection.trusting(site.ca, pair))
    return SimulatedNode(node.name, node.address, api, site.folder)


def _upgraded(cluster: Cluster, verb: str, image: str) -> None:
    """Until no pod is left that runs another image. None of the new ones was started again."""
    began = time.monotonic()
    ended(cluster, 0, verb, "upgrade", "--image", image, "--yes")
    print(f"{verb} upgraded in {time.monotonic() - began:.0f} s")
    words = ("get", "pods", "-n", SERVERS[verb], "-l", f"app.kubernetes.io/name=kubevouch-{verb}")

    def listed() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(cluster.kubectl(*words, "-o", "json").stdout)[
            "items"
        ]
        return found

    eventually(
        lambda: {e["spec"]["containers"][0]["image"] for e in listed()} == {image}, "no former pod"
    )
    assert not any(c["restartCount"] for e in listed() for c in e["status"]["containerStatuses"])


@pytest.mark.long_on_the_bed
@pytest.mark.long_on_a_lab
def test_upgrade_and_downgrade_leave_no_question_unanswered_and_approve_once(
    cluster: Cluster, image_reference: str, another_image: str, tmp_path: Path, now: datetime
) -> None:
    cluster.state("healthy")
    metrics = Metrics(cluster)
    with ExitStack() as stack:
        stack.enter_context(installed(cluster, image_reference))
        stack.enter_context(_served_by_ours(cluster, image_reference))
        site = stack.enter_context(joining(cluster, tmp_path))
        csrs = Csrs(site)
        *honest, thief = (_holder(cluster, site, node) for node in cluster.nodes)
        honest += site.join_all({f"sim-{each}.example.com": address() for each in range(CROWD)})
        with Askers() as askers:
            for each in range(TURNS):
                askers.start(TURNS, csrs.ask(honest[each::TURNS]), after=each)
            askers.start(1, csrs.lie(thief, cluster.workers[0]))
            for each in range(A_SECOND):
                askers.start(1, metrics.by_connection(site), after=each / A_SECOND)
            askers.start(2, metrics.by_kubectl())
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
            assert not site.csrs.objects[name].get("status"), site.csrs.objects[name]
        for name in (*csrs.honest, *csrs.hostile):
            site.admin.delete(path_of(CSRS, name))
