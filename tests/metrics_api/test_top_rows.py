"""The rows of `top`: in their order, with what is strange or not measured, rounded as kubectl rounds."""

from fractions import Fraction

from kubevouch.kube.resources import NodeMetrics, SizedNode
from kubevouch.kube.resources.meta import Metadata
from kubevouch.kube.resources.nodes import SizedNodeStatus
from kubevouch.metrics.top.rows import Usage, node_rows

LIMITS = {"cpu": "2", "memory": "24581684Ki"}


def node(name: str) -> SizedNode:
    return SizedNode(metadata=Metadata(name=name), status=SizedNodeStatus(allocatable=LIMITS))


def metrics(name: str, cpu: str, memory: str) -> NodeMetrics:
    return NodeMetrics(metadata=Metadata(name=name), usage={"cpu": cpu, "memory": memory})


def test_what_is_not_measured_stands_last_and_whatever_is_strange_is_shown_all_the_same() -> None:
    found = [metrics("b", "nonsense", ""), metrics("c", "1500m", "1Gi"), metrics("gone", "1", "1")]
    nodes = [node(name) for name in "cbza"]
    rows = node_rows(found, nodes, capacity=False, sort_by="cpu")
    assert [(row.name, row.used and row.used.cells, row.percents) for row in rows] == [
        ("c", ("1500m", "1024Mi"), (75, 4)),
        ("gone", ("1000m", "0Mi"), (None, None)),
        ("b", ("0m", "0Mi"), (0, 0)),
        ("a", None, (None, None)),
        ("z", None, (None, None)),
    ]
    assert Usage(Fraction(1, 10**9), Fraction(2**20 - 1)).cells == ("1m", "0Mi")
