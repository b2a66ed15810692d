"""What doctor finds in a scenario of a lab, beside what is expected: a file for each."""

import json
import time
from pathlib import Path

import yaml

from tests.e2e.lab_cluster import LabCluster

EXPECTED = Path(__file__).parent / "expected"
WALKED_ELSEWHERE = ("expired", "no-ip-sans", "pending", "rotated-expired", "renewal-due")
"""NEXT is to make the plan, as in others. From these the story and test_2_states.py, both of tests/e2e, lead to a well cluster."""
LASTS = 4.0
"""Longer than new pods are Pending: what is found once only was on its way to something else."""

Found = dict[str, object]


def found(lab: LabCluster) -> Found:
    """The exit code, the codes that are found, which of them is a symptom of which, and the cause."""
    ran = lab.kubevouch("doctor", "-o", "json", "--timeout", "2s")
    assert ran.out, ran
    answer = json.loads(ran.out)
    findings = {each["code"]: each for each in answer["findings"]}
    return {
        "exit": ran.code,
        "finds": sorted(findings),
        "because": {c: e["becauseOf"] for c, e in findings.items() if e.get("becauseOf")},
        "cause": (answer.get("cause") or {}).get("code"),
    }


def lasts(lab: LabCluster, wanted: Found) -> None:
    """It is found at the first look, and again later."""
    assert found(lab) == wanted
    time.sleep(LASTS)
    assert found(lab) == wanted


def is_as_expected(lab: LabCluster, scenario: str) -> None:
    """The lab was just brought into it."""
    lasts(lab, yaml.safe_load((EXPECTED / f"{scenario}.yaml").read_text()))
    status = lab.kubevouch("lab", "status", "--dir", str(lab.folder.root))
    assert f"\nscenario  {scenario}\n" in status.out
