"""What CSRs that are held cost: each as among a few, beside the operator's word on as many nodes; and a flood of large ones little."""

import sys
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from kubevouch.cli.csr.render import undecided_row
from kubevouch.cli.csr.sources import Sources
from kubevouch.errors import ExitCode
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CSRS, CertificateSigningRequest
from kubevouch.outcome import Outcome
from kubevouch.policy.by_hand import CsrEvidence, CsrJudgement, OperatorFlags, judged_by_hand
from kubevouch.policy.csr import csr_of
from kubevouch.system_clock import SystemClock
from tests.cli.program import Program, ended
from tests.cli.waiting import put_csr, put_node
from tests.support.calls import calls
from tests.support.requests import request
from tests.support.rows import only_long
from tests.support.stage import Stage

FEW, MANY = 20, 160
FLOOD = 600
FLOODED = 3_700
"""Names in each of them: 64 KB of PEM."""

PEAK = """import os, resource, subprocess, sys
code = subprocess.run(sys.argv[2:]).returncode
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


def name(number: int) -> str:
    return f"many-{number}.example.com"


async def held(stage: Stage, number: int) -> tuple[OperatorFlags, CsrEvidence]:
    """So many nodes, each with a CSR that asks for a second address, which neither its Node nor the operator knows."""
    for each in range(number):
        put_node(stage, name(each), f"uid-{each}", f"10.77.0.{each}")
        put_csr(stage, f"csr-{each}", name(each), f"10.77.0.{each}", f"10.78.0.{each}")
    clock = SystemClock()
    async with ApiClient(stage.access, clock=clock, environ={}) as api:
        evidence = await Sources().gather(api, clock)
    word = {name(each): (name(each), f"10.77.0.{each}") for each in range(number)}
    return OperatorFlags(word), evidence


def calls_for_each(word: OperatorFlags, evidence: CsrEvidence) -> float:
    """How many Python functions are called to judge one of the CSRs, by their mean: the same on every machine."""
    csrs = list(map(csr_of, evidence.cluster.csrs.or_else(())))
    judged_by_hand(csrs[0], evidence, word)  # what is put in order once for all
    judgements: list[CsrJudgement] = []
    made = calls(lambda: judgements.extend(judged_by_hand(each, evidence, word) for each in csrs))
    assert not any(each.decision.outcome is Outcome.PASS for each in judgements)
    return made.total() / len(csrs)


@pytest.fixture
def case() -> str:
    return "healthy"


async def test_a_held_csr_costs_no_more_among_many_than_among_few(stage: Stage) -> None:
    few = calls_for_each(*await held(stage, FEW))
    many = calls_for_each(*await held(stage, MANY))
    assert many < 1.3 * few, (few, many)


def flood(stage: Stage, size: int) -> None:
    """So many names in each of 600 CSRs of one node."""
    put_node(stage, name(1), "uid-1", "10.77.0.1")
    pem = request(name(1), [f"name-{each}.x" for each in range(size)], ["10.77.0.1"])
    for each in range(FLOOD):
        put_csr(stage, f"flood-{each}", name(1), pem=pem)


@pytest.mark.parametrize(
    "words",
    [("list",), only_long(("explain", "flood-7")), ("approve", "--all")],
)
async def test_a_flood_of_large_csrs_fills_no_memory_and_each_says_how_large_it_is(
    words: tuple[str, ...], stage: Stage, started: Program, tmp_path: Path
) -> None:
    flood(stage, FLOODED)
    peak = tmp_path / "peak"
    under = (sys.executable, "-c", PEAK, str(peak))
    ran = await ended(await started.started("csr", *words, under=under))
    assert ran.code == (ExitCode.OK if words == ("list",) else ExitCode.FINDINGS), ran
    assert ran.out.count(" bytes, over the limit") == (1 if "explain" in words else FLOOD)
    assert int(peak.read_text()) < 120 * 1024, "KiB"
    pages = [each for each in stage.server.requests if each.query.get("limit") == str(CSRS.page)]
    assert len(pages) >= FLOOD / CSRS.page


def test_a_csr_over_the_limit_is_not_read_name_by_name() -> None:
    pem = request(name(1), [f"name-{each}.x" for each in range(FLOODED)], ["10.77.0.1"])
    object_ = {"metadata": {"name": "csr-1"}, "spec": {"request": b64encode(pem).decode()}}

    def row() -> None:
        found = msgspec.convert(object_, CertificateSigningRequest)
        assert undecided_row(found, datetime.now(UTC))[3] == f"{len(pem)} bytes, over the limit"

    row()  # what is put in order once for all
    assert calls(row).total() < 200
