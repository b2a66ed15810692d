"""-v: each request to the API server as it ends, on standard error, and never a credential."""

import re

import pytest

from tests.cli.program import Program
from tests.support.kubeconfigs import TOKEN
from tests.support.scripted import faults
from tests.support.stage import Stage

LINE = re.compile(r"(GET|POST) (/\S+)  (.+)  \d+ ms")


@pytest.mark.parametrize("flag", ["-v", "--verbose"])
async def test_every_request_is_shown(kubevouch: Program, stage: Stage, flag: str) -> None:
    ran = await kubevouch("csr", "list", flag)
    shown = [LINE.fullmatch(line) for line in ran.err.splitlines() if " ms" in line]
    assert all(shown)
    paths = sorted(found[2].partition("?")[0] for found in shown if found)
    assert paths == sorted(each.path for each in stage.server.requests)
    assert {found[3] for found in shown if found} <= {"200", "404"}
    assert TOKEN not in ran.err + ran.out
    assert ran.out.startswith(("NAME", "")), "the result is what it always is"


async def test_how_a_request_failed_is_shown(kubevouch: Program, stage: Stage) -> None:
    stage.server.faults.on("/*", faults.reset())
    ran = await kubevouch("doctor", "-v")
    shown = [LINE.fullmatch(line) for line in ran.err.splitlines() if line.startswith("GET ")]
    assert shown, ran
    assert "connection reset by peer" in {found[3] for found in shown if found}, ran.err
    assert all(shown)
