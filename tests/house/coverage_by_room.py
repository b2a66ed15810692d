"""Coverage room by room, against what each must reach. `make coverage` calls it with a report of coverage.py.

    python -m tests.house.coverage_by_room REPORT.json

REPORT.json: lines and branches that the plain tests reach, which name the case. What the e2e tests reach is not counted.
"""

import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

FLOORS = {"policy": 100.0, "diagnose": 95.0, "rollout/decide": 95.0, "approve/decide": 95.0}
FLOOR = 85.0
"""Of every other room of the product."""

_PRODUCT = PurePosixPath("src/kubevouch")
_LAB = PurePosixPath("lab/src/kubevouch_lab")
_HALVES = {"rollout", "approve", "evidence"}
"""Rooms whose folders are counted apart: what decides, and what acts."""


@dataclass(slots=True)
class Tally:
    """Lines and branches together, as coverage.py counts them."""

    all: int = 0
    covered: int = 0

    @property
    def percent(self) -> float:
        """Of all there are; a room without code is covered."""
        return 100.0 * self.covered / self.all if self.all else 100.0


def room_of(file: str) -> str | None:
    """ "policy", "rollout/decide", "lab/cluster"; "ground" for the product's single files; None for anything else."""
    path = PurePosixPath(file)
    if path.is_relative_to(_LAB):
        parts = path.relative_to(_LAB).parts
        return f"lab/{parts[0]}" if len(parts) > 1 else "lab"
    if not path.is_relative_to(_PRODUCT):
        return None
    *folders, _ = path.relative_to(_PRODUCT).parts
    if not folders:
        return "ground"
    depth = 2 if folders[0] in _HALVES else 1
    return "/".join(folders[:depth])


def by_room(report: dict[str, Any]) -> dict[str, Tally]:
    """From the JSON that `coverage json` writes (format 3)."""
    rooms: dict[str, Tally] = defaultdict(Tally)
    for file, found in report["files"].items():
        if (room := room_of(file)) is not None:
            counts = found["summary"]
            rooms[room].all += counts["num_statements"] + counts["num_branches"]
            rooms[room].covered += counts["covered_lines"] + counts["covered_branches"]
    return dict(sorted(rooms.items()))


def table(found: dict[str, Tally]) -> tuple[list[str], list[str]]:
    """The rows to print, and what is below its floor. The lab has no floor: it is reported."""
    rows = [f"{'room':22}{'covered':>12}{'must reach':>12}"]
    faults = []
    for room, tally in found.items():
        in_lab = room.partition("/")[0] == "lab"
        floor = 0.0 if in_lab else FLOORS.get(room, FLOOR)
        rows.append(f"{room:22}{tally.percent:12.1f}{floor:12g}")
        if tally.percent < floor:
            faults.append(f"{room}: {tally.percent:.1f} % covered; {floor:g} % expected")
    return rows, faults


def main(report: str) -> int:
    """Prints the table. 1 where a room is below its floor."""
    rows, faults = table(by_room(json.loads(Path(report).read_bytes())))
    print(*rows, sep="\n")
    print(*faults, sep="\n", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
