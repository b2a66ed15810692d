"""The recorded corpus is what its sources make, and the recorded answers are what Go says now."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kubevouch.x509 import KeyKind, kubelet_self_signed
from real.oracle import corpus
from tests.x509.recorded import CASES, KINDS

pytestmark = pytest.mark.needs_go
ORACLE = Path(corpus.__file__).parent


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The oracle, compiled once."""
    program = tmp_path_factory.mktemp("oracle") / "oracle"
    subprocess.run(["go", "build", "-o", str(program), "."], cwd=ORACLE, check=True)
    return program


def test_go_still_gives_the_recorded_answers(oracle: Path, tmp_path: Path) -> None:
    subprocess.run([str(oracle), "judge", str(CASES), str(tmp_path)], check=True)
    for kind in KINDS:
        told = (tmp_path / f"{kind}.go.jsonl").read_text(encoding="utf-8").splitlines()
        recorded = (CASES / f"{kind}.go.jsonl").read_text(encoding="utf-8").splitlines()
        assert told == recorded, f"{kind}: Go says something else now; look, then `make oracle`"


@pytest.mark.long
def test_the_recorded_cases_are_what_their_sources_make(tmp_path: Path) -> None:
    corpus.write(corpus.gather(), tmp_path)
    for kind in KINDS:
        assert (tmp_path / f"{kind}.jsonl").read_bytes() == (CASES / f"{kind}.jsonl").read_bytes()


@pytest.mark.parametrize("kind", list(KeyKind))
def test_go_takes_the_seed_as_a_pair(oracle: Path, tmp_path: Path, kind: KeyKind) -> None:
    seed = kubelet_self_signed(
        "w1.example.com",
        now=datetime(2026, 11, 24, tzinfo=UTC),
        lifetime=timedelta(days=3),
        serials=(1, 2),
        key_kind=kind,
    )
    chain, key = tmp_path / "kubelet-server.crt", tmp_path / "kubelet-server.key"
    chain.write_bytes(seed.chain_pem)
    key.write_bytes(seed.key_pem)
    subprocess.run([str(oracle), "pair", str(chain), str(key)], check=True)
    result = subprocess.run([str(oracle), "pair", str(key), str(chain)], check=False)
    assert result.returncode == 1
