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


@pytest.mark.parametrize(
    ("covered", "fault"),
    [
        (report(policy=100, rollout__decide=95, kube=85), ""),
        (report(policy=99), "policy: 99.0 % covered; 100 % expected"),
        (report(rollout__decide=94), "rollout/decide: 94.0 % covered; 95 % expected"),
        (report(rollout__act=84), "rollout/act: 84.0 % covered; 85 % expected"),
    ],
)
def test_each_room_has_its_floor(
    covered: dict[str, Any], fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "all.json").write_text(json.dumps(covered))
    assert main(str(tmp_path / "all.json")) == bool(fault)
    assert capsys.readouterr().err.strip() == fault


def test_rooms_are_the_folders_and_the_lab_is_apart() -> None:
    assert room_of("src/kubevouch/policy/decide.py") == "policy"
    assert room_of("src/kubevouch/diagnose/rules/wire.py") == "diagnose"
    assert room_of("src/kubevouch/evidence/gather/names.py") == "evidence/gather"
    assert room_of("src/kubevouch/evidence/names.py") == "evidence"
    assert room_of("src/kubevouch/clock.py") == "ground"
    assert room_of("lab/src/kubevouch_lab/cluster/lab.py") == "lab/cluster"
    assert room_of("tests/house/coverage_by_room.py") is None
