"""A lab may open as many files as this machine lets it, and says so where that is too few."""

import resource
import subprocess
import sys

import pytest

from kubevouch_lab.process.open_files import too_few_for

RAISED = """
import resource
from kubevouch_lab.process.open_files import raise_open_files
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
print(raise_open_files() == hard)
"""


def test_what_the_shell_has_left_low_is_raised() -> None:
    ran = subprocess.run([sys.executable, "-c", RAISED], capture_output=True, text=True, check=True)
    assert ran.stdout == "True\n"


@pytest.mark.parametrize(
    ("nodes", "allowed", "told"),
    [
        (4, 1024, False),
        (1000, 20_000, False),
        (5000, 20_000, True),
        (5000, resource.RLIM_INFINITY, False),
    ],
)
def test_a_limit_that_is_too_low_is_told(nodes: int, allowed: int, *, told: bool) -> None:
    said = too_few_for(nodes, allowed)
    assert bool(said) is told
    assert not said or said.startswith(
        "5000 nodes want up to 75200 open files, and this process may have 20000"
    )
