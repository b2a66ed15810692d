"""No request in which Go reads a name outside the allowed set is ever approved. The judge is Go, since the signer is.

The API server and the signer read a CSR with Go's parser (pkg/apis/certificates/v1, ParseCSR) and issue what they read.
"""

import base64
import json
import secrets
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubevouch.outcome import Outcome
from kubevouch.policy.decide import Decision
from real.oracle import corpus
from real.oracle.dice import Dice
from tests.support.rows import only_long

from .conftest import ADDRESS, NODE, Case
from .hostile_requests import hostile_pem

CASES = 2_000


class Go:
    """The oracle as a process that answers one request after another."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [program, "requests"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def reads(self, pem: bytes) -> dict[str, Any]:
        """What Go reads in a request."""
        assert self._process.stdin
        assert self._process.stdout
        line = json.dumps({"case": "", "pem": base64.b64encode(pem).decode()})
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def stop(self) -> None:
        """Ends the process."""
        self._process.communicate(timeout=30)


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Go]:
    """Go's parser, compiled once."""
    program = tmp_path_factory.mktemp("oracle") / "oracle"
    subprocess.run(
        ["go", "build", "-o", str(program), "."], cwd=Path(corpus.__file__).parent, check=True
    )
    judge = Go(program)
    yield judge
    judge.stop()


def _reached_the_names(decision: Decision) -> bool:
    """Whether it is the rules about names and addresses that decide, since the request is read."""
    return not any(each.rule in {"size", "canonical"} for each in decision.held_by)


def _check(pem: bytes, go: Go, seen: Counter[str]) -> None:
    decision = Case(pem=pem).judged()
    seen["cases"] += 1
    seen["names"] += _reached_the_names(decision)
    if decision.outcome is not Outcome.PASS:
        return
    seen["approved"] += 1
    read = go.reads(pem)
    assert {key: value for key, value in read.items() if key not in {"case", "dns", "ips"}} == {
        "subject": f"CN=system:node:{NODE},O=system:nodes",
        "key": "ECDSA P-256",
    }
    assert set(read.get("dns", ())) <= {NODE}
    assert set(read.get("ips", ())) == {ADDRESS}


@pytest.mark.needs_go
@pytest.mark.parametrize("cases", [CASES, only_long(5 * CASES)])
def test_what_is_approved_is_what_go_reads_and_nothing_else(go: Go, cases: int) -> None:
    seen: Counter[str] = Counter()
    for number in range(cases):
        _check(hostile_pem(Dice(f"hostile {number}")), go, seen)
    assert seen["names"] >= 0.3 * cases, "too few reach the rules about names"
    assert seen["approved"] >= cases / 100, "too few good ones: the test would prove nothing"


@pytest.mark.needs_go
@pytest.mark.long
def test_the_same_of_requests_that_are_new_each_time(go: Go) -> None:
    seed = secrets.token_hex(8)
    print(f"seed: {seed}")
    for number in range(100 * CASES):
        _check(hostile_pem(Dice(f"{seed} {number}")), go, Counter())
