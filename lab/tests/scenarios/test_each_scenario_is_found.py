"""Each scenario, applied to a running lab, is what `kubevouch doctor` finds: exactly these findings, and this cause."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from kubevouch_lab.cluster.folder import Folder
from kubevouch_lab.cluster.site import BLOCKS_VARIABLE
from kubevouch_lab.scenarios.catalogue import SCENARIOS

EXPECTED = Path(__file__).parent / "expected"
LASTS = 4.0
"""Longer than new pods are Pending: what is found once only was on its way to something else."""


class RunningLab:
    """A lab in a folder, and kubevouch pointed at it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = Folder(root)

    def kubevouch(self, *words: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.root),
            "KUBECONFIG": str(self.folder.kubeconfig),
            "KUBEVOUCH_LOOPBACK_ADDRESSES": str(self.folder.loopback_addresses),
            BLOCKS_VARIABLE: os.environ.get(BLOCKS_VARIABLE, ""),
        }
        return subprocess.run(
            [sys.executable, "-m", "kubevouch", *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def lab(self, verb: str, *words: str) -> None:
        done = self.kubevouch("lab", verb, "--dir", str(self.root), *words)
        assert done.returncode == 0, done

    def found(self) -> dict[str, object]:
        """What doctor says, in the form of an expectation."""
        done = self.kubevouch("doctor", "-o", "json", "--timeout", "2s")
        assert done.stdout, done
        answer = json.loads(done.stdout)
        findings = {each["code"]: each for each in answer["findings"]}
        cause = answer.get("cause") or {}
        return {
            "exit": done.returncode,
            "finds": sorted(findings),
            "because": {c: e["because_of"] for c, e in findings.items() if e.get("because_of")},
            "cause": cause.get("code"),
        }


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    running = RunningLab(tmp_path_factory.mktemp("lab"))
    running.lab("up", "--detach")
    yield running
    running.lab("down", "--remove")


def test_each_scenario_has_an_expectation() -> None:
    assert {path.stem for path in EXPECTED.glob("*.yaml")} == set(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_exactly_what_doctor_finds(name: str, lab: RunningLab) -> None:
    """At the first look after `break` has returned, and again later: nothing was on its way to something else."""
    expected = yaml.safe_load((EXPECTED / f"{name}.yaml").read_text())
    lab.lab("break", name)
    assert lab.found() == expected
    assert f"\nscenario  {name}\n" in lab.kubevouch("lab", "status", "--dir", str(lab.root)).stdout
    time.sleep(LASTS)
    assert lab.found() == expected


REPAIRABLE = [each.name for each in SCENARIOS.values() if each.repair is not None]


@pytest.mark.parametrize("name", REPAIRABLE)
def test_a_repair_has_come_about_when_the_command_returns(name: str, lab: RunningLab) -> None:
    """A clock that was ahead leaves a certificate from the future, which is for doctor; the rest is well at once."""
    lab.lab("break", name)
    lab.lab("repair", name)
    found = lab.found()
    assert (found["exit"], found["cause"]) == ((1, "KV306") if name == "clock-skew" else (0, None))
    time.sleep(LASTS)
    assert lab.found() == found


def test_a_repair_mends_every_node_that_is_broken(lab: RunningLab) -> None:
    lab.lab("break", "healthy")  # a lab begins with another scenario
    nodes = ("--node", "k8s-worker-2", "--node", "k8s-worker-3")
    done = lab.kubevouch("lab", "break", "unreachable", *nodes, "--dir", str(lab.root))
    assert done.stderr.splitlines()[-1] == (
        "unreachable on k8s-worker-2, k8s-worker-3: a node's port swallows what comes"
    )
    assert (lab.found()["exit"], lab.found()["cause"]) == (1, "KV202")
    lab.lab("repair", "unreachable")
    assert (lab.found()["exit"], lab.found()["cause"]) == (0, None)


def test_status_tells_the_scenario_of_each_node(lab: RunningLab) -> None:
    """Also after the lab was ended and goes on."""
    lab.lab("break", "healthy")
    lab.lab("break", "wrong-ca", "--node", "k8s-worker-3")
    for _ in range(2):
        done = lab.kubevouch("lab", "status", "--dir", str(lab.root), "-o", "json")
        told = json.loads(done.stdout)
        assert told["scenario"] == "healthy, wrong-ca"
        by_node = [each["scenario"] for each in told["nodes"]]
        assert by_node == ["healthy", "healthy", "healthy", "wrong-ca"]
        lab.lab("down")
        lab.lab("up", "--detach")


def test_a_scenario_of_some_nodes_says_which_and_nothing_of_the_others(lab: RunningLab) -> None:
    """It said of one node that every node is NotReady."""
    lab.lab("break", "healthy")
    words = ("kubelets-dead", "--node", "k8s-worker-1")
    done = lab.kubevouch("lab", "break", *words, "--dir", str(lab.root))
    said = done.stderr.splitlines()[-1]
    assert said.startswith("kubelets-dead on k8s-worker-1: kubelets' client certificates have")
    assert "every" not in said
    done = lab.kubevouch("lab", "break", "healthy", "--dir", str(lab.root))
    assert done.stderr.splitlines()[-1] == "healthy: nothing is wrong"


def test_break_says_of_our_approver_that_it_decides_as_well(lab: RunningLab) -> None:
    """It said that nobody approves, where it approved."""
    lab.lab("break", "healthy")
    image = f"registry.example.com/kubevouch@sha256:{'0' * 64}"
    by = ("--image", image, "--new-nodes", "hold", "--yes")
    done = lab.kubevouch("approver", "install", *by)
    assert done.returncode == 0, done
    try:
        for words, where in (["--node", "k8s-worker-1"], " on k8s-worker-1"), ([], ""):
            done = lab.kubevouch("lab", "break", "pending", *words, "--dir", str(lab.root))
            assert done.returncode == 0, done
            told, approver = done.stderr.splitlines()[-2:]
            assert told.startswith(f"pending{where}: serverTLSBootstrap is on")
            assert approver.startswith("kubevouch-approver is installed here, and decides on CSRs")
    finally:
        lab.kubevouch("approver", "remove", "--pins", "--yes")


def test_a_lab_of_no_scenario_is_not_begun(lab: RunningLab, tmp_path: Path) -> None:
    for words in (["--detach"], []):
        where = tmp_path / "new"
        done = lab.kubevouch("lab", "up", "--scenario", "heathy", "--dir", str(where), *words)
        assert done.returncode == 2, done
        assert done.stderr == "Error: heathy: there is no such scenario; did you mean healthy?\n"
        assert not where.exists()


def test_what_is_no_scenario_or_no_node_is_a_matter_of_usage(lab: RunningLab) -> None:
    def refused(*words: str) -> str:
        done = lab.kubevouch("lab", *words, "--dir", str(lab.root))
        assert done.returncode == 2, done
        return done.stderr

    assert "wrong-ac: there is no such scenario; did you mean wrong-ca?" in refused(
        "break", "wrong-ac"
    )
    assert "nosuch: there is no such scenario; there are" in refused("break", "nosuch")
    assert "w9: is not a node of this lab; its nodes are" in refused(
        "break", "pending", "--node", "w9"
    )


@pytest.mark.parametrize("verb", ["up", "break"])
def test_help_lists_the_scenarios(verb: str, lab: RunningLab) -> None:
    listed = " ".join(lab.kubevouch("lab", verb, "--help").stdout.split())
    for scenario in SCENARIOS.values():
        assert f"{scenario.name} {scenario.description}" in listed
