"""An operator who knows nothing but doctor: does literally what NEXT says, and looks again, until all is well.

On a lab each scenario is exactly what doctor is to find in it (lab/tests/scenarios/expected).

Where NEXT names what only a person can do, the test does that, as it is declared beside the scenario (`lab repair`).
"""

import json
import re
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.tests.scenarios.found import WALKED_ELSEWHERE, found, is_as_expected, lasts
from tests.cli.program import Ran

from .cluster import Cluster
from .conftest import chosen_cluster
from .lab_cluster import LabCluster
from .told import ended

PASSING = {"insecure-flag": {"KV116", "KV103"}}
"""Causes that pass by themselves, if doctor looks before: the metrics server reads the kubelets that `apply` has mended, and
then NEXT has its pods replaced, of which none may be ready for a moment on a machine that is busy."""

# Of these every step but NEXT is a person's; the codes that must be named as causes, in order, are written by hand.
CAUSES = {
    "expired": ["KV501"],
    "no-ip-sans": ["KV501"],
    "pending": ["KV401"],
    "rotated-expired": ["KV401"],
    "healthy": [],
    "denied-loop": ["KV403"],
    "approver-gone": ["KV401"],
    "renewal-due": ["KV401"],
    "kubelets-dead": ["KV606"],
    "wrong-ca": ["KV308"],
    "clock-skew": ["KV601", "KV306"],
    "unreachable": ["KV202"],
    "insecure-flag": ["KV501"],
    "rbac-missing": ["KV114"],
    "drift": ["KV501"],
}
MOST_STEPS = 6
PATIENCE = 90.0
"""Seconds for a step to show: metrics-server needs two scrapes, a denied kubelet asks again after half a minute."""
Answer = dict[str, Any]
"""The document of `doctor -o json`."""


cluster = pytest.fixture(scope="session")(chosen_cluster)
"""Of labs one of its own, in which doctor finds nothing that other tests have left."""


@dataclass
class Operator:
    """Somebody at a terminal."""

    cluster: Cluster
    scenario: str
    folder: Path
    causes: list[str] = field(default_factory=list)
    has_repaired: bool = False

    def work(self) -> None:
        """Until doctor has nothing more to say. Fails where a NEXT leads nowhere."""
        done: set[tuple[str, str]] = set()
        for _ in range(MOST_STEPS):
            answer = self.look(done)
            if answer is None:
                return
            cause = answer["cause"]
            because = {each["code"]: each["becauseOf"] for each in answer["findings"]}
            assert because[cause["code"]] == "", f"the cause is a symptom: {answer}"
            if cause["code"] not in self.causes:
                self.causes.append(cause["code"])
            done.add((cause["code"], cause["next"]))
            self.follow(cause["next"])
            if cause["byHand"] and not self.has_repaired:
                self.has_repaired = self.cluster.repair(self.scenario)
                if self.has_repaired and isinstance(self.cluster, LabCluster):
                    _is_repaired(self.cluster, self.scenario)
        pytest.fail(f"still not well after {MOST_STEPS} steps: {done}")

    def look(self, done: set[tuple[str, str]]) -> Answer | None:
        """What doctor says once it says something new; None for exit code 0."""
        end = time.monotonic() + PATIENCE
        while True:
            ran = self.cluster.kubevouch("doctor", "-o", "json", "--timeout", "2s")
            if ran.code == 0:
                return None
            answer: Answer = json.loads(ran.out)
            cause = answer["cause"]
            if cause is not None and (cause["code"], cause["next"]) not in done:
                return answer
            if cause is None:  # nothing but doubts: the first one says what comes next
                doubt = next(each for each in answer["findings"] if each["code"][:3] == "KV9")
                self.follow(doubt["next"])
            assert time.monotonic() < end, f"NEXT was done and nothing has changed: {ran}"
            time.sleep(1)

    def follow(self, line: str) -> None:
        """Runs the very command; for a plan, also what the plan says comes next."""
        program, *words = shlex.split(line)
        if program == "kubevouch":
            ran = self.kubevouch(*words)
            for after in re.findall(r"^NEXT +kubevouch (apply .*)$", ran.out, re.MULTILINE):
                applied = self.kubevouch(*shlex.split(after), "--yes", "--soak", "1s")
                assert applied.code == 0, applied
                lines = applied.err.splitlines()
                said = [each.split(maxsplit=1)[1] for each in lines if " approved" in each]
                assert len(said) == len(set(said)), f"an approval was told twice: {applied}"
        elif program == "kubectl":
            self.cluster.kubectl(*words)
        else:
            assert program == "ssh", line
            host, *remote = words
            node = next(each for each in self.cluster.nodes if each.name == host)
            # Here the shell is root's already.
            node.sh(" ".join(remote).replace("sudo ", ""), check=False)

    def kubevouch(self, *words: str) -> Ran:
        """With this cluster's way to its nodes, which an operator has in ~/.ssh/config."""
        plan = str(self.folder / "plan.json")
        placed = [plan if word == "plan.json" else word for word in words]
        line = shlex.join(placed).replace("--via ssh", shlex.join(self.cluster.ssh_words()))
        return self.cluster.kubevouch(*shlex.split(line))


@pytest.fixture
def tidy(cluster: Cluster) -> Iterator[None]:
    """Takes away the CSRs of client certificates at the end, as the cluster does within two hours.

    After `kubelets-dead` the nodes have theirs by a bootstrap token, which an approver that sees it takes for borrowed.
    """
    yield
    client = "spec.signerName=kubernetes.io/kube-apiserver-client-kubelet"
    cluster.kubectl("delete", "csr", f"--field-selector={client}")


def _is_repaired(lab: LabCluster, scenario: str) -> None:
    """It has come about when the command returns, and lasts. A clock that was ahead leaves a certificate from the future."""
    well = found(lab)
    left = (1, "KV306") if scenario == "clock-skew" else (0, None)
    assert (well["exit"], well["cause"]) == left
    lasts(lab, well)


@pytest.mark.long_on_the_bed
@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(each, marks=pytest.mark.long_on_a_lab if each in WALKED_ELSEWHERE else ())
        for each in CAUSES
    ],
)
def test_what_next_says_leads_to_a_well_cluster(
    cluster: Cluster, tmp_path: Path, scenario: str
) -> None:
    if not cluster.scenario(scenario):
        pytest.skip("this cluster cannot be brought into that")
    if isinstance(cluster, LabCluster):
        is_as_expected(cluster, scenario)
    operator = Operator(cluster, scenario, tmp_path)
    operator.work()
    passing = PASSING.get(scenario, {"KV116"})
    assert [each for each in operator.causes if each not in passing] == CAUSES[scenario]
    ended(cluster, 0, "verify", "--wait", "2m")
