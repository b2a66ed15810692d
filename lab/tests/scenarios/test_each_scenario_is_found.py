"""Scenarios of a running lab, some nodes' only, too: what is said of them, and what `kubevouch doctor` finds.

That the others are found exactly as they are expected, and what a repair brings about: tests/e2e/test_8_no_dead_ends.py.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubevouch_lab.scenarios.catalogue import SCENARIOS
from lab.tests.scenarios.found import EXPECTED, WALKED_ELSEWHERE, found, is_as_expected
from tests.cli.program import Ran
from tests.e2e.lab_cluster import LabCluster
from tests.e2e.lab_cluster import lab as running_lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCluster]:
    with running_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


def ran(lab: LabCluster, verb: str, *words: str, code: int = 0) -> Ran:
    """`kubevouch lab` of this lab."""
    done = lab.kubevouch("lab", verb, "--dir", str(lab.folder.root), *words)
    assert done.code == code, done
    return done


def test_each_scenario_has_an_expectation() -> None:
    assert {path.stem for path in EXPECTED.glob("*.yaml")} == set(SCENARIOS)


@pytest.mark.parametrize("name", WALKED_ELSEWHERE)
def test_a_scenario_is_exactly_what_doctor_finds(name: str, lab: LabCluster) -> None:
    ran(lab, "break", name)
    is_as_expected(lab, name)


def test_a_repair_mends_every_node_that_is_broken(lab: LabCluster) -> None:
    ran(lab, "break", "healthy")  # a lab begins with another scenario
    nodes = ("--node", "k8s-worker-2", "--node", "k8s-worker-3")
    done = ran(lab, "break", "unreachable", *nodes)
    assert done.err.splitlines()[-1] == (
        "unreachable on k8s-worker-2, k8s-worker-3: a node's kubelet port accepts connections and never answers"
    )
    broken = found(lab)
    assert (broken["exit"], broken["cause"]) == (1, "KV202")
    ran(lab, "repair", "unreachable")
    mended = found(lab)
    assert (mended["exit"], mended["cause"]) == (0, None)


def test_status_tells_the_scenario_of_each_node(lab: LabCluster) -> None:
    """Also after the lab was ended and goes on."""
    ran(lab, "break", "healthy")
    ran(lab, "break", "wrong-ca", "--node", "k8s-worker-3")
    for again in (False, True):
        if again:
            ran(lab, "down")
            ran(lab, "up", "--detach")
        told = json.loads(ran(lab, "status", "-o", "json").out)
        assert told["scenario"] == "healthy, wrong-ca"
        by_node = [each["scenario"] for each in told["nodes"]]
        assert by_node == ["healthy", "healthy", "healthy", "wrong-ca"]


def test_a_scenario_of_some_nodes_says_which_and_nothing_of_the_others(lab: LabCluster) -> None:
    """It said of one node that every node is NotReady."""
    ran(lab, "break", "healthy")
    words = ("kubelets-dead", "--node", "k8s-worker-1")
    done = ran(lab, "break", *words)
    said = done.err.splitlines()[-1]
    assert said.startswith("kubelets-dead on k8s-worker-1: kubelets' client certificates have")
    assert "every" not in said
    done = ran(lab, "break", "healthy")
    assert done.err.splitlines()[-1] == "healthy: nothing is wrong"


def test_break_says_of_our_approver_that_it_decides_as_well(lab: LabCluster) -> None:
    """It said that nobody approves, where it approved."""
    ran(lab, "break", "healthy")
    image = f"registry.example.com/kubevouch@sha256:{'0' * 64}"
    by = ("--image", image, "--new-nodes", "hold", "--yes")
    done = lab.kubevouch("approver", "install", *by)
    assert done.code == 0, done
    try:
        for words, where in (["--node", "k8s-worker-1"], " on k8s-worker-1"), ([], ""):
            done = ran(lab, "break", "pending", *words)
            assert done.code == 0, done
            told, approver = done.err.splitlines()[-2:]
            assert told.startswith(f"pending{where}: serverTLSBootstrap is on")
            assert approver.startswith("kubevouch-approver is installed here, and decides CSRs")
    finally:
        lab.kubevouch("approver", "remove", "--pins", "--yes")


def test_a_lab_of_no_scenario_is_not_begun(lab: LabCluster, tmp_path: Path) -> None:
    for words in (["--detach"], []):
        where = tmp_path / "new"
        done = lab.kubevouch("lab", "up", "--scenario", "heathy", "--dir", str(where), *words)
        assert done.code == 2, done
        assert done.err == "Error: heathy: no such scenario; did you mean healthy?\n"
        assert not where.exists()


def test_what_is_no_scenario_or_no_node_is_a_matter_of_usage(lab: LabCluster) -> None:
    for words, why in (
        (["wrong-ac"], "wrong-ac: no such scenario; did you mean wrong-ca?"),
        (["nosuch"], "nosuch: no such scenario; there are"),
        (["pending", "--node", "w9"], "w9: is not a node of this lab; its nodes are"),
    ):
        assert why in ran(lab, "break", *words, code=2).err
