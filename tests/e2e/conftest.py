"""The cluster that the tests run on: `--cluster=bed`, which `make real` has booted around this process, or a lab."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from image import building
from image.folders import Folders
from real.bed import Bed
from tests.e2e.bed_cluster import BedCluster
from tests.e2e.cluster import Cluster, Node
from tests.e2e.lab_cluster import lab
from tests.e2e.told import armed

_HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cluster", choices=["bed", "lab"], default="bed", help="which cluster the e2e tests take"
    )
    parser.addoption(
        "--forms",
        type=int,
        default=100,
        help="hostile CSRs of the thousands that tests/policy draws",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Before `-m` is asked. At every change a test runs on one of both clusters, those that are `on_both` on both."""
    on_the_bed = config.getoption("--cluster") == "bed"
    elsewhere = "long" if on_the_bed else "long_on_a_lab"
    for each in items:
        marks = {mark.name for mark in each.iter_markers()}
        of_this = "on_both" in marks or ("long_on_the_bed" in marks) is not on_the_bed
        if _HERE in each.path.parents and not of_this:
            each.add_marker(elsewhere)


def chosen_cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """The bed, or a new lab."""
    if request.config.getoption("--cluster") == "lab":
        with lab(tmp_path_factory.mktemp("lab")) as found:
            yield found
    else:
        yield BedCluster(Bed.running())


cluster = pytest.fixture(scope="session")(chosen_cluster)
"""The one of the tests that tidy up after themselves."""


@pytest.fixture
def forms(request: pytest.FixtureRequest) -> int:
    """How many hostile CSRs the approver is shown."""
    return int(request.config.getoption("--forms"))


@pytest.fixture(scope="session")
def bed(cluster: Cluster) -> BedCluster:
    """For what a lab has not: pods that run an image, an API server and etcd as processes, packets on their way that are cut."""
    if not isinstance(cluster, BedCluster):
        pytest.skip("a lab's pods run no image, and its control plane no processes of its own")
    return cluster


@pytest.fixture(scope="session")
def built_image(bed: BedCluster) -> building.Image:
    """The container image of this checkout, built from the cache of packages and layers; for the bed's pods only."""
    del bed
    return building.build(Folders.of(os.environ))


@pytest.fixture(scope="session")
def image_reference(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    """The image by its digest, as a pod on any node may name it. A lab's pods run this checkout, whatever they name."""
    if not isinstance(cluster, BedCluster):
        return "registry.example.com/kubevouch@sha256:" + "4f" * 32
    built: building.Image = request.getfixturevalue("built_image")
    return cluster.bed.load_image(built.archive)


def expired_cluster(cluster: Cluster) -> Cluster:
    """Every kubelet serves an expired certificate that it has made itself."""
    cluster.state("expired")
    return cluster


expired = pytest.fixture(expired_cluster)


@pytest.fixture
def workers(expired: Cluster) -> Iterator[tuple[Node, ...]]:
    """Those of that cluster. On none is a run left armed after the test."""
    yield expired.workers
    for run in {run for node in expired.workers for run in armed(node)}:
        expired.kubevouch("undo", run, "--yes")


@pytest.fixture
def worker(workers: tuple[Node, ...]) -> Node:
    """One of them."""
    return workers[0]


@pytest.fixture(scope="module")
def waiting(cluster: Cluster) -> Cluster:
    """Every kubelet waits for a decision."""
    cluster.state("pending")
    return cluster


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(autouse=True)
def everything_mended(cluster: Cluster) -> Iterator[None]:
    """Whatever a test has broken is whole again after it, also when it failed."""
    yield
    cluster.start_controller_manager()
    for node in cluster.nodes:
        node.mend()
        node.free()
