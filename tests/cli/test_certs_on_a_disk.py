"""`certs --root`, without any kubeconfig: what is said of a node's disk, and the exit code for cron."""

import json
from pathlib import Path

import pytest

from tests.cli.program import Program
from tests.support.node_tree import PKI, NodeTree


@pytest.fixture
def tree(tmp_path: Path) -> NodeTree:
    return NodeTree(tmp_path / "disk").control_plane()


async def test_a_good_disk_needs_no_cluster_and_nothing_to_be_done(
    kubevouch: Program, tree: NodeTree, tmp_path: Path
) -> None:
    worker = NodeTree(tmp_path / "worker", "w-1", tree.ca).worker()
    ran = await kubevouch("certs", "--root", str(tree.root), "--root", str(worker.root), code=0)
    assert "as in `kubeadm certs check-expiration` on cp-1" in ran.out
    assert "in kubeadm's format on w-1" in ran.out
    assert ran.out.count("CERTIFICATE AUTHORITY   EXTERNALLY MANAGED") == 1
    assert "kubelet-client" in ran.out
    assert "\nnot read" not in ran.out


@pytest.mark.parametrize("form", ["table", "short", "json"])
async def test_a_wrong_key_is_a_finding_in_each_form(
    kubevouch: Program, tree: NodeTree, form: str
) -> None:
    tree.write(f"{PKI}/apiserver.key", tree.ca.serving("other").key)
    ran = await kubevouch("certs", "--root", str(tree.root), "-o", form, code=1)
    if form == "json":
        rows = json.loads(ran.out)["certificates"]
        (row,) = [each for each in rows if each["use"] == "apiserver"]
        assert (row["state"], row["vantage"]) == ("wrong", "the node's disk")
        assert "apiserver.key belongs to another certificate" in " ".join(row["remarks"])
    elif form == "table":
        assert "WRONG       apiserver of cp-1: apiserver.key belongs to" in ran.out


async def test_what_cannot_be_asked_is_a_usage_error(kubevouch: Program, tree: NodeTree) -> None:
    for words in (
        ("--root", "/nowhere/at/all"),
        ("--root", str(tree.root / PKI / "ca.crt")),
    ):
        await kubevouch("certs", *words, code=2)


async def test_a_folder_of_no_node_leads_to_no_cluster(kubevouch: Program, tmp_path: Path) -> None:
    ran = await kubevouch("certs", "--root", str(tmp_path), code=3)
    assert "`kubevouch certs --root DIR`" in ran.out.splitlines()[-1]
    assert "doctor" not in ran.out


async def test_advice_is_for_the_node_not_the_folder(kubevouch: Program, tree: NodeTree) -> None:
    """kubeadm runs on the node, and ends with an error as long as half a certificate is there: in a backup it is in nobody's way."""
    tree.write(f"{PKI}/apiserver.crt", "half")
    ran = await kubevouch("certs", "--root", str(tree.root))
    before, _, following = " ".join(ran.out.partition("BEFORE")[2].split()).partition("NEXT")
    assert before.startswith(
        "as root on cp-1, move /etc/kubernetes/pki/apiserver.crt and apiserver.key away"
    )
    assert "kubeadm init phase certs apiserver" in following
    assert "as root on cp-1" in following
