"""The cluster that the tests run on: `--cluster=bed`, which `make real` has booted around this process, or a lab."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from image import building
from image.folders import Folders
from tests.e2e.cluster import Cluster


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cluster", choices=["bed", "lab"], default="bed", help="which cluster the e2e tests take"
    )


@pytest.fixture(scope="session")
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    if request.config.getoption("--cluster") == "lab":
        from tests.e2e.lab_cluster import lab

        with lab(tmp_path_factory.mktemp("lab")) as found:
            yield found
    else:
        from real.bed import Bed
        from tests.e2e.bed_cluster import BedCluster

        yield BedCluster(Bed.running())


@pytest.fixture(scope="session")
def without_pods(cluster: Cluster) -> None:
    """For what runs as a process beside a cluster whose pods run nothing. The bed runs it as pods (tests/e2e/approver)."""
    from tests.e2e.bed_cluster import BedCluster

    if isinstance(cluster, BedCluster):
        pytest.skip("pods run on this cluster: tests/e2e/approver has the approver as pods")


@pytest.fixture(scope="session")
def built_image(cluster: Cluster) -> building.Image:
    """The container image of this checkout, built from the cache of packages and layers; for the bed's pods only."""
    from tests.e2e.bed_cluster import BedCluster

    if not isinstance(cluster, BedCluster):
        pytest.skip("no pod runs on this cluster")
    return building.build(Folders.of(os.environ))


@pytest.fixture(scope="session")
def image_reference(cluster: Cluster, built_image: building.Image) -> str:
    """The image by its digest, as a pod on any node may name it."""
    from tests.e2e.bed_cluster import BedCluster

    assert isinstance(cluster, BedCluster)
    return cluster.bed.load_image(built_image.archive)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(autouse=True)
def everything_mended(cluster: Cluster) -> Iterator[None]:
    """Whatever a test has broken is whole again after it, also when it failed."""
    yield
    for node in cluster.nodes:
        node.mend()
        node.free()
    cluster.start_controller_manager()
