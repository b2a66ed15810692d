"""The power fails at any write: each image that the disk may hold then is mounted, and the node started from it.

The scripts are the real ones, the file systems real ones on loop devices, above a disk that writes down what reaches it
(real/programs/powercut). How an image is judged stands in whole.py.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import msgspec
import pytest

from real import needs, programs
from real.layout import Folders
from real.powercut.disks import FILE_SYSTEMS
from real.processes import held
from tests.support.mounting import why_not
from tests.support.told import TOLD

from .replay import LAYOUTS, Told
from .stories import FAULTY, STORIES

pytestmark = pytest.mark.needs_go
SAMPLES = 60
"""Cuts of each story at which some of what was not flushed is lost, besides those at every write."""

AT_EVERY_CHANGE = (("ext4", "apart", "eager"), ("ext4", "together", "lazy"))
"""Each layout, and each journal."""

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def powercut() -> Path:
    return programs.build(Folders.of(os.environ), (programs.POWERCUT,)).paths["powercut"]


def replayed(
    program: Path, system: str, layout: str, journal: str, names: tuple[str, ...], samples: int
) -> list[Told]:
    chosen = (program, system, layout, journal, samples)
    words = held([sys.executable, "-m", "tests.powercut.replay", *map(str, chosen), *names])
    ran = subprocess.run(
        [str(word) for word in words], check=False, cwd=CHECKOUT, capture_output=True, timeout=1800
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return msgspec.json.decode(ran.stdout, type=list[Told])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_change_that_is_not_synced_is_found(powercut: Path, layout: str) -> None:
    """The oracle of this file must be able to fail."""
    if lacks := why_not(FILE_SYSTEMS["ext4"], "/dev/fuse"):
        pytest.skip(lacks)
    [told] = replayed(powercut, "ext4", layout, "lazy", tuple(FAULTY), 0)
    assert told.images >= 2
    assert any("the call answered committed, and the run is unknown" in each for each in told.wrong)


@pytest.mark.parametrize(
    ("system", "layout", "journal"),
    [
        pytest.param(*each, marks=() if each in AT_EVERY_CHANGE else pytest.mark.long)
        for each in product(("ext4", "xfs", "btrfs"), LAYOUTS, ("lazy", "eager"))
    ],
)
def test_whatever_the_disk_holds_after_a_power_cut_the_next_start_makes_the_node_whole(
    powercut: Path,
    system: str,
    layout: str,
    journal: str,
    record_property: Callable[[str, object], None],
) -> None:
    chosen = FILE_SYSTEMS[system]
    if system != "ext4" and os.geteuid() == 0 and shutil.which("apt-get"):
        needs.install({chosen.made[0]: chosen.package})
    if lacks := why_not(chosen, "/dev/fuse"):
        pytest.skip(lacks)
    told = replayed(powercut, system, layout, journal, tuple(STORIES), SAMPLES)
    for each in told:
        record_property(
            TOLD,
            f"power cuts, {system}, {LAYOUTS[layout].name}, {journal} journal: {each.story}: {each.writes} writes and "
            f"{each.flushes} flushes, {each.images} images, {each.nodes} different nodes, {len(each.wrong)} not whole",
        )
    assert [each.story for each in told] == list(STORIES)
    assert "\n".join(wrong for each in told for wrong in each.wrong) == ""
    assert all(each.images > 100 and each.flushes > 20 for each in told)
