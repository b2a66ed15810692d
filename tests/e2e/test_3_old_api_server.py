"""An API server older than Kubernetes 1.32 does not say which credential made a CSR: the operator may accept that."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .cluster import Cluster
from .thief import Thief
from .told import csrs_of, ended, is_approved, plan, serving_requests

pytestmark = pytest.mark.long_on_the_bed


@pytest.fixture(scope="module")
def old(cluster: Cluster) -> Iterator[Cluster]:
    """Every kubelet waits for a decision, with a CSR that names no credential."""
    if not cluster.tell_credential_ids(told=False):
        pytest.skip("this cluster's API server says which credential made a CSR")
    try:
        cluster.state("pending")
        assert "credential-id" not in str(serving_requests(cluster))
        yield cluster
    finally:
        cluster.tell_credential_ids(told=True)
        cluster.state("pending")


def test_nothing_is_approved_without_the_flag_and_all_with_it(old: Cluster, tmp_path: Path) -> None:
    node, path = old.workers[0], tmp_path / "plan.json"
    plan(old, path, "--node", node.name)
    words = ("apply", str(path), "--yes", "--soak", "1s")
    held = ended(old, 4, *words, "--gate-timeout", "8s")
    assert "credential-id (NoCredentialId): the CSR has no credential ID" in (
        " ".join(held.out.split())
    )
    assert not any(map(is_approved, serving_requests(old)))
    done = old.kubevouch(*words, "--without-credential-id")
    assert done.code in {0, 3}, done
    [approved] = [each for each in serving_requests(old) if is_approved(each)]
    assert approved["spec"]["username"] == f"system:node:{node.name}"


def test_a_name_that_was_borrowed_gets_nothing_with_the_flag_nor_by_hand(
    old: Cluster, tmp_path: Path
) -> None:
    """Nothing tells the thief's CSR from the kubelet's: none is approved, and the text says whose act is left."""
    node, path = old.workers[1], tmp_path / "plan.json"
    plan(old, path, "--node", node.name)
    waits = [each["metadata"]["name"] for each in csrs_of(old, node) if not each["status"]]
    name = waits[-1]
    allow = ("--allow", f"{node.name}={node.address}", "--allow", f"{node.name}={node.name}")
    assert old.kubevouch("csr", "explain", name, *allow).code == 0
    try:
        Thief.of(old, node, tmp_path)
        for words in (("explain", name), ("approve", name, "--yes", "--credential", "ab" * 32)):
            held = ended(old, 1, "csr", *words, *allow)
            said = " ".join(held.out.split())
            assert f"kubectl certificate approve {name}, at your own risk" in said, held
        apply = ("apply", str(path), "--yes", "--soak", "1s", "--gate-timeout", "8s")
        ran = ended(old, 4, *apply, "--without-credential-id")
        assert "client-standing (UnknownCredential): " in " ".join(ran.out.split()), ran
        assert not any(map(is_approved, csrs_of(old, node)))
    finally:
        Thief.gone(old)
