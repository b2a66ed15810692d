"""The cluster that the tests run on: `--cluster=bed`, which `make real` has booted around this process, or a lab."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

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
