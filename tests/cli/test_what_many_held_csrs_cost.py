"""`csr list` of many CSRs that are held, beside a plan of as many nodes: each costs what it costs among a few."""

import sys
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import msgspec
import pytest

from kubevouch.cli.csr.judgement import CsrEvidence
from kubevouch.cli.csr.names import GivenNames
from kubevouch.cli.csr.sources import Sources
from kubevouch.kube.io.client import ApiClient
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import Claim, NameSource
from kubevouch.policy.csr import csr_of
from kubevouch.rollout.decide.plan import ChangeKind, NodePlan
from kubevouch.system_clock import SystemClock
from tests.cli.waiting import put_csr, put_node
from tests.rollout.recorded import plan_of, planned, recorded
from tests.support.stage import Stage

FEW, MANY = 20, 160


def name(number: int) -> str:
    return f"many-{number}.example.com"


def node_plan(number: int) -> NodePlan:
    """Of a node that has one address."""
    return msgspec.structs.replace(
        planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP),
        node=name(number),
        uid=f"uid-{number}",
        names=(Claim(name(number), NameSource.NODE_NAME),),
        addresses=(Claim(f"10.77.0.{number}", NameSource.SSH_HOST_KEY),),
    )


async def held(stage: Stage, number: int) -> tuple[Sources, CsrEvidence]:
    """So many nodes, each with a CSR that asks for a second address, which neither its Node nor the plan knows."""
    for each in range(number):
        put_node(stage, name(each), f"uid-{each}", f"10.77.0.{each}")
        put_csr(stage, f"csr-{each}", name(each), f"10.77.0.{each}", f"10.78.0.{each}")
    plan = plan_of(*map(node_plan, range(number)), made_at=datetime.now(UTC))
    clock = SystemClock()
    async with ApiClient(stage.access, clock=clock, environ={}) as api:
        evidence = await Sources(GivenNames(None, {}, trust_node_status=False)).gather(api, clock)
    return Sources(GivenNames(plan, {}, trust_node_status=False)), evidence


def calls_for_each(sources: Sources, evidence: CsrEvidence) -> float:
    """How many Python functions are called to judge one of the CSRs, by their mean: the same on every machine."""
    csrs = list(map(csr_of, evidence.cluster.csrs.or_else(())))
    sources.judged(csrs[0], evidence)  # what is put in order once for all
    count = 0

    def called(_frame: FrameType, event: str, _: Any) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        judgements = [sources.judged(each, evidence) for each in csrs]
    finally:
        sys.setprofile(before)
    assert not any(each.decision.outcome is Outcome.PASS for each in judgements)
    return count / len(csrs)


@pytest.fixture
def case() -> str:
    return "healthy"


async def test_a_held_csr_costs_no_more_among_many_beside_a_plan_of_many(stage: Stage) -> None:
    few = calls_for_each(*await held(stage, FEW))
    many = calls_for_each(*await held(stage, MANY))
    assert many < 1.3 * few, (few, many)
