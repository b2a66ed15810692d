"""A class name is defined in one room of the product only, and in one room of the lab.

Who meets `Listener` in a traceback or in a diff should not have to ask which one. Names with an underscore are their
file's own business. What may stand twice, and why, is in same_names.toml; the list is to become shorter.
"""

import ast
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DISTRIBUTIONS = {
    "product": ROOT / "src" / "kubevouch",
    "lab": ROOT / "lab" / "src" / "kubevouch_lab",
}


def rooms_by_class(distribution: Path) -> dict[str, set[str]]:
    """Class name -> rooms that define it. A room is a folder or a file right below the distribution."""
    rooms: dict[str, set[str]] = defaultdict(set)
    for file in distribution.rglob("*.py"):
        room = file.relative_to(distribution).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                rooms[node.name].add(room)
    return rooms


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_a_class_name_is_defined_in_one_room(distribution: str) -> None:
    rooms = rooms_by_class(DISTRIBUTIONS[distribution])
    twice = {name: " and ".join(sorted(found)) for name, found in rooms.items() if len(found) > 1}
    allowed = tomllib.loads((HERE / "same_names.toml").read_text(encoding="utf-8"))[distribution]
    new = {name: found for name, found in twice.items() if name not in allowed}
    assert not new, "rename one of the two, or say in same_names.toml why both stay"
    renamed = sorted(set(allowed) - set(twice))
    assert not renamed, "stands once now: take it off same_names.toml"


def test_a_name_in_two_rooms_is_found(tmp_path: Path) -> None:
    (tmp_path / "serve").mkdir()
    (tmp_path / "serve" / "messages.py").write_text("class Request: ...\nclass _Own: ...\n")
    (tmp_path / "policy.py").write_text("class Request: ...\nclass _Own: ...\n")
    assert rooms_by_class(tmp_path) == {"Request": {"serve", "policy"}}
