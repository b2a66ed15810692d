"""`top`'s lines against what kubectl printed of a real cluster (1.36, four nodes of two cores and 24581684Ki)."""

from fractions import Fraction
from pathlib import Path

from kubevouch.cli.top.rows import (
    PodRow,
    Usage,
    node_lines,
    node_rows,
    pod_lines,
)
from kubevouch.kube.resources import NodeMetrics, SizedNode
from kubevouch.kube.resources.meta import Metadata
from kubevouch.kube.resources.nodes import SizedNodeStatus

RECORDED = Path(__file__).parent / "recorded"
LIMITS = {"cpu": "2", "memory": "24581684Ki"}


def recorded(name: str) -> list[str]:
    return (RECORDED / name).read_text(encoding="utf-8").splitlines()


def node(name: str) -> SizedNode:
    return SizedNode(metadata=Metadata(name=name), status=SizedNodeStatus(allocatable=LIMITS))


def metrics(name: str, cpu: str, memory: str) -> NodeMetrics:
    return NodeMetrics(metadata=Metadata(name=name), usage={"cpu": cpu, "memory": memory})


def test_nodes_are_shown_as_a_real_kubectl_showed_them() -> None:
    lines = recorded("top-nodes.txt")
    shown = [line.split() for line in lines[1:]]
    found = [metrics(name, cpu, memory) for name, cpu, _, memory, _ in shown]
    nodes = [node(name) for name, *_ in shown]
    rows = node_rows(reversed(found), nodes, capacity=False, sort_by="")
    assert node_lines(rows, headers=True, swap=False) == lines


def test_pods_are_shown_as_a_real_kubectl_showed_them() -> None:
    lines = recorded("top-pods.txt")
    rows = []
    for namespace, name, cpu, memory in (line.split() for line in lines[1:]):
        used = Usage.of({"cpu": cpu, "memory": memory})
        rows.append(PodRow(namespace, name, used))
    shown = pod_lines(
        rows, headers=True, namespaces=True, containers=False, total=False, swap=False
    )
    assert shown == lines


def test_what_is_not_measured_stands_last_and_whatever_is_strange_is_shown_all_the_same() -> None:
    found = [metrics("b", "nonsense", ""), metrics("c", "1500m", "1Gi"), metrics("gone", "1", "1")]
    rows = node_rows(
        found, [node("c"), node("b"), node("z"), node("a")], capacity=False, sort_by="cpu"
    )
    assert [row.name for row in rows] == ["c", "gone", "b", "a", "z"]
    cells = [line.split() for line in node_lines(rows, headers=False, swap=False)]
    assert cells == [
        ["c", "1500m", "75%", "1024Mi", "4%"],
        ["gone", "1000m", "<unknown>", "0Mi", "<unknown>"],
        ["b", "0m", "0%", "0Mi", "0%"],
        ["a", *["<unknown>"] * 4],
        ["z", *["<unknown>"] * 4],
    ]
    assert rows[1].percents == (None, None, None)
    assert Usage(Fraction(1, 10**9), Fraction(2**20 - 1)).cells(swap=False) == ("1m", "0Mi")
