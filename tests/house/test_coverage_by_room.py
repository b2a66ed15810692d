"""What `make coverage` makes of coverage.py's reports."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.house.coverage_by_room import main, room_of


def report(**covered: int) -> dict[str, Any]:
    """A report with one file of 80 lines and 20 branches a room, so many of the 100 covered."""
    return {
        "files": {
            f"src/kubevouch/{room.replace('__', '/')}/a.py": {
                "summary": {
                    "num_statements": 80,
                    "covered_lines": min(80, count),
                    "num_branches": 20,
                    "covered_branches": max(0, count - 80),
                }
            }
            for room, count in covered.items()
        }
    }


@pytest.fixture
def said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(plain: dict[str, Any], everything: dict[str, Any]) -> tuple[int, str]:
        (tmp_path / "plain.json").write_text(json.dumps(plain))
        (tmp_path / "all.json").write_text(json.dumps(everything))
        status = main(str(tmp_path / "plain.json"), str(tmp_path / "all.json"))
        return status, capsys.readouterr().err.strip()

    return run


def test_what_decides_must_be_covered_by_plain_tests(said: Any) -> None:
    assert said(report(policy=100), report(policy=100)) == (0, "")
    assert said(report(policy=99), report(policy=100)) == (
        1,
        "policy: 99.0 % covered; 100 plain % expected",
    )
    assert said(report(rollout__decide=94), report(rollout__decide=100))[0] == 1
    assert said(report(rollout__decide=95), report(rollout__decide=95))[0] == 0


def test_what_acts_may_be_reached_end_to_end(said: Any) -> None:
    assert said(report(rollout__act=10), report(rollout__act=85)) == (0, "")
    assert said(report(kube=84), report(kube=84))[0] == 1


def test_rooms_are_the_folders_and_the_lab_is_apart() -> None:
    assert room_of("src/kubevouch/policy/decide.py") == "policy"
    assert room_of("src/kubevouch/diagnose/rules/wire.py") == "diagnose"
    assert room_of("src/kubevouch/evidence/gather/names.py") == "evidence/gather"
    assert room_of("src/kubevouch/evidence/names.py") == "evidence"
    assert room_of("src/kubevouch/clock.py") == "ground"
    assert room_of("lab/src/kubevouch_lab/cluster/lab.py") == "lab/cluster"
    assert room_of("tests/house/coverage_by_room.py") is None
