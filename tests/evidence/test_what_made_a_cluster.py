"""What made a cluster without kubeadm, by its Nodes; each row of the table says from which file it is."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec
import pytest

from kubevouch.diagnose.catalogue import CATALOGUE
from kubevouch.diagnose.doctor import diagnose
from kubevouch.evidence.makers import Maker, known_makers, maker_of
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured, Vantage
from kubevouch.kube.resources import Condition, Node
from tests.diagnose.cases import snapshot

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "compatibility.md"


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    made_by: str | None
    from_: str = msgspec.field(name="from")
    node: Node


ROWS = msgspec.yaml.decode((HERE / "nodes_of_makers.yaml").read_bytes(), type=tuple[Row, ...])
READY = Condition(type="Ready", status="True")
KUBEADMS = [each.node for each in ROWS if each.made_by is None]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.made_by}: {row.from_}")
def test_a_node_shows_what_made_its_cluster(row: Row) -> None:
    found = maker_of([row.node])
    assert (found and found.name) == row.made_by


def test_every_maker_has_a_node_in_the_table() -> None:
    assert {each.name for each in known_makers()} == {each.made_by for each in ROWS} - {None}


@pytest.mark.parametrize("maker", known_makers(), ids=str)
def test_every_row_says_enough(maker: Maker) -> None:
    """NEXT prints the link as a word of a shell; a sign without a field would hold for any Node."""
    assert re.fullmatch(r"https://[\w./-]+", maker.link)
    assert maker.works and maker.way and maker.source
    assert not maker.way.endswith(".")
    assert maker.name in maker.way
    assert all(any(msgspec.structs.astuple(sign)) for sign in maker.signs)


def test_the_page_has_every_maker_as_the_table_has_it() -> None:
    """The last cell is when it was tried."""
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    rows = [line.rpartition(" | ")[0] for line in lines if line.startswith("| [")]
    assert rows == [f"| [{m}]({m.link}) | {m.works} | {m.way}" for m in known_makers()]


def test_a_cluster_is_of_the_maker_that_more_than_half_of_the_nodes_show() -> None:
    """One node that says so by itself keeps no plan from the others."""
    k3s, talos = (next(r.node for r in ROWS if r.made_by == each) for each in ("k3s", "Talos"))
    for nodes, expected in (
        ([k3s], "k3s"),
        ([k3s, k3s, talos], "k3s"),
        ([talos, talos, k3s, *KUBEADMS[:1]], None),
        ([talos, *KUBEADMS], None),
        (KUBEADMS, None),
        ([], None),
    ):
        found = maker_of(nodes)
        assert (found and found.name) == expected


def test_nodes_without_a_kubelet_do_not_say_who_made_the_others() -> None:
    k3s = next(each.node for each in ROWS if each.made_by == "k3s")
    status = msgspec.structs.replace(KUBEADMS[0].status, conditions=(READY,))
    runs = msgspec.structs.replace(KUBEADMS[0], status=status)
    assert maker_of([k3s, k3s, runs]) is None


async def test_what_kubeadm_wrote_outweighs_every_node() -> None:
    """No node can write the ConfigMap: where it is, or cannot be read, no Node keeps a plan from being made."""
    evidence = await snapshot("healthy")
    nodes = replace(evidence.nodes, value=(ROWS[0].node,))
    at, vantage = datetime(2026, 11, 25, tzinfo=UTC), Vantage.API_SERVER
    doubt = Doubt(DoubtKind.NOT_ALLOWED, "forbidden")
    for config, expected in (
        (evidence.kubelet_config, None),
        (Measured(vantage, at, doubt=doubt), None),
        (Measured(vantage, at), "k3s"),
    ):
        maker = replace(evidence, nodes=nodes, kubelet_config=config).maker
        assert (maker and maker.name) == expected


@pytest.mark.parametrize("code", CATALOGUE)
def test_whatever_sends_to_a_plan_or_to_kubeadm_has_the_makers_way(code: str) -> None:
    definition = CATALOGUE[code]
    line = " ".join(definition.next)
    mends = f"{line} {definition.by_hand}"
    if "kubevouch plan" in mends or "kubeadm" in mends or "serverTLSBootstrap" in mends:
        assert definition.by_maker or definition.elsewhere
    there = " ".join(definition.elsewhere)
    assert "plan" not in there and "kubeadm" not in there
    assert not (definition.by_maker and there)


@pytest.mark.parametrize(
    ("code", "name", "line"),
    [
        ("KV306", "not-valid-yet", "kubevouch probe k8s-worker-1.internal.example.com"),
        ("KV401", "pending", "kubevouch csr explain csr-*"),
        ("KV603", "api-server-certificate-ends", "kubectl describe node k8s-master.*"),
        ("KV606", "all-kubelets-dead", "kubectl describe node k8s-master.*"),
    ],
)
async def test_what_no_serving_certificate_mends_is_not_sent_to_the_makers_page(
    code: str, name: str, line: str
) -> None:
    evidence = await snapshot(name)
    shown = ROWS[0].node.status.node_info
    nodes = tuple(
        msgspec.structs.replace(each, status=msgspec.structs.replace(each.status, node_info=shown))
        for each in evidence.nodes.or_else(())
    )
    at_k3s = replace(
        evidence,
        nodes=replace(evidence.nodes, value=nodes),
        kubelet_config=replace(evidence.kubelet_config, value=None),
    )
    [found] = [each for each in diagnose(at_k3s).findings if each.code == code]
    assert fnmatchcase(" ".join(found.next), line)
    assert found.by_hand.startswith("k3s made this cluster: ")
