"""One approver for all tests of this folder, installed while every kubelet waits, and nodes that join."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import count

import pytest

from tests.e2e.cluster import Cluster, Node
from tests.e2e.told import (
    ended,
    eventually,
)

from .installed import InstalledApprover, clean, installed
from .simulated import Joining, SimulatedNode, joining

CROWD = 24
_addresses = (f"192.168.{100 + each // 200}.{each % 200 + 1}" for each in count())


def address() -> str:
    """In the network of the rule for new nodes, each only once."""
    return next(_addresses)


def pinned(approver: InstalledApprover, site: Joining, name: str) -> SimulatedNode:
    """A node that only a pin knows, with its first certificate."""
    node = site.join(name, address())
    ended(approver.cluster, 0, "approver", "pin", name, "--yes")
    assert "pinned on" in site.approved(node.ask())["message"]
    return node


def _answers(node: Node) -> bool:
    return node.handshake().outcome == "ok"


@pytest.fixture(scope="package")
def begun() -> datetime:
    """Before the approver was installed."""
    return datetime.now(UTC)


@pytest.fixture(scope="package")
def approver(
    cluster: Cluster, image_reference: str, begun: datetime
) -> Iterator[InstalledApprover]:
    """Installed while the CSRs of all kubelets wait; once it has approved them by the pins that `install` made."""
    clean(cluster)
    cluster.state("pending")
    with installed(cluster, image_reference) as made:
        for node in cluster.nodes:
            eventually(partial(_answers, node), f"a certificate of {node.name}")
        yield made


def where_nodes_join(
    approver: InstalledApprover, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Joining]:
    with joining(approver.cluster, tmp_path_factory.mktemp("simulated")) as made:
        yield made


site = pytest.fixture(scope="package")(where_nodes_join)


@pytest.fixture(scope="package")
def crowd(site: Joining) -> list[SimulatedNode]:
    """Nodes that joined at the same time."""
    return site.join_all({f"sim-{each}.example.com": address() for each in range(CROWD)})
