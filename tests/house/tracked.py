"""The texts of the project as git knows them."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def tracked(*places: str, suffixes: tuple[str, ...]) -> list[Path]:
    """The files of git in these places, by the ends of their names. One that is deleted, and not yet committed, is left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *places],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = [ROOT / name for name in listed.stdout.split("\0") if name.endswith(suffixes)]
    assert len(found) > 100
    return [each for each in found if each.exists()]
