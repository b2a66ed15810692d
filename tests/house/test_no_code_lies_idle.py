"""What nobody uses is not there: code, constants and struct fields of the product and of the lab.

vulture finds what no file of the product, the lab, the bed, the demo or the benchmarks names. Tests do not count as
use: code that only they call is kept alive for nothing. What stays in spite of that is in idle.toml with its reason.
"""

import tomllib
from pathlib import Path

from vulture import Vulture

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LOOKED_AT = ("src", "lab/src")
USERS = ("real", "bench", "demo", "year")

# They hand the function to click, or to the list of rules.
CALLED_BY_DECORATION = ["@*.command", "@*.group", "@_with_results", "@rule"]


def idle(looked_at: list[Path], users: list[Path], root: Path) -> set[str]:
    """Each as "path: name", the path from `root`."""
    vulture = Vulture(ignore_decorators=CALLED_BY_DECORATION)
    vulture.scavenge([str(path) for path in (*looked_at, *users)])
    found = ((Path(each.filename), each.name) for each in vulture.get_unused_code())
    return {
        f"{path.resolve().relative_to(root)}: {name}"
        for path, name in found
        if any(path.resolve().is_relative_to(room) for room in looked_at)
    }


def test_everything_is_used_or_said_why_not() -> None:
    kept = tomllib.loads((HERE / "idle.toml").read_text(encoding="utf-8"))["kept"]
    allowed = {name for each in kept for name in each["names"]}
    found = idle([ROOT / each for each in LOOKED_AT], [ROOT / each for each in USERS], ROOT)
    new = sorted(found - allowed)
    assert not new, "remove it, or use it, or say in idle.toml why it stays"
    used = sorted(allowed - found)
    assert not used, "used now, or gone: take it off idle.toml"


def test_an_unused_field_and_function_are_found(tmp_path: Path) -> None:
    room = tmp_path / "room"
    room.mkdir()
    (room / "a.py").write_text(
        "class Thing:\n    used: int\n    unused: int\n\n"
        "def called(): return Thing().used\n\ndef forgotten(): ...\n"
    )
    user = tmp_path / "user.py"
    user.write_text("from room.a import called\ncalled()\n")
    assert idle([room], [user], tmp_path) == {"room/a.py: unused", "room/a.py: forgotten"}
