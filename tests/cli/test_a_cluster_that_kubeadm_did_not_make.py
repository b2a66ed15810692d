"""A cluster that k3s made: what works there works, no plan is made, and nothing leads to one."""

import json
from pathlib import Path

import pytest

from tests.cli.program import Program
from tests.support.stage import Stage

LINK = "https://docs.k3s.io/cli/certificate"


@pytest.fixture
def case() -> str:
    return "made-by-k3s"


async def test_no_plan_is_made_and_doctor_leads_to_none(kubevouch: Program, stage: Stage) -> None:
    plan, doctor, document = await kubevouch.several(
        ("plan", "-o", "plan.json"), ("doctor",), ("doctor", "-o", "json")
    )
    assert (plan.code, plan.out, plan.err.count("\n")) == (3, "", 1), plan
    assert "k3s made this cluster" in plan.err
    assert LINK in plan.err
    assert not (Path(kubevouch.home) / "plan.json").exists()
    assert doctor.code == 1, doctor
    [made] = [line for line in doctor.out.splitlines() if line.startswith("made by")]
    assert "k3s, not kubeadm" in made
    assert f"\nNEXT   {LINK}\n" in doctor.out
    assert "kubevouch plan" not in doctor.out
    found = json.loads(document.out)
    assert (found["cluster"]["maker"], found["cause"]["next"]) == ("k3s", LINK)
