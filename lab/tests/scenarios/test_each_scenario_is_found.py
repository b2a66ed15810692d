"""Each scenario, applied to a running lab, is what `kubevouch doctor` finds: exactly these findings, and this cause."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from kubevouch_lab.cluster.folder import Folder
from kubevouch_lab.scenarios.catalogue import SCENARIOS

EXPECTED = Path(__file__).parent / "expected"
PATIENCE = 45.0
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
    expected = yaml.safe_load((EXPECTED / f"{name}.yaml").read_text())
    lab.lab("break", name)
    end = time.monotonic() + PATIENCE
    held = 0
    while held < 2:
        found = lab.found()
        assert found == expected or time.monotonic() < end, (expected, found)
        held = held + 1 if found == expected else 0
        time.sleep(LASTS if held == 1 else 0.2)
