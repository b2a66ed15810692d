"""The bills of materials: valid, and all that is in the lock, with its hashes."""

import json
import re
from pathlib import Path

import pytest

from .conftest import CHECKOUT, PYTHON, VERSION, Released, shell

pytestmark = pytest.mark.long
JUDGE = "import sys; from pathlib import Path; from release import boms; boms.validate(Path(sys.argv[1]))"


def test_both_are_valid_by_the_formats_own_library(released: Released, tmp_path: Path) -> None:
    files = list(released.dist.glob("*.cdx.json"))
    assert len(files) == 3
    for each in files:
        shell(PYTHON, "-c", JUDGE, each, cwd=CHECKOUT)
    broken = json.loads(files[0].read_text())
    del broken["components"][0]["name"]
    (tmp_path / "broken").write_text(json.dumps(broken))
    with pytest.raises(AssertionError, match=r"is not CycloneDX 1\.6: 'name' is a required"):
        shell(PYTHON, "-c", JUDGE, tmp_path / "broken", cwd=CHECKOUT)


def test_the_wheels_names_each_package_of_the_lock(released: Released) -> None:
    bill = json.loads((released.dist / f"kubevouch-{VERSION}.cdx.json").read_text())
    assert bill["metadata"]["component"]["version"] == VERSION
    lock = (CHECKOUT / "locks" / "kubevouch.txt").read_text()
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))
    assert {each["name"]: each["version"] for each in bill["components"]} == locked
    hashes = {
        each["content"]
        for component in bill["components"]
        for reference in component["externalReferences"]
        for each in reference["hashes"]
    }
    assert hashes == set(re.findall(r"sha256:([0-9a-f]{64})", lock))
