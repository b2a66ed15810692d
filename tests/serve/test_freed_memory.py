"""What a server has freed goes back to the kernel."""

import platform
import subprocess
import sys

import pytest

_HOLES = """
from pathlib import Path
from kubevouch.serve.process import return_freed_memory

def held():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

read = [bytes(2_000) for _ in range(20_000)]
kept = read[::50]
before = held()
del read
freed = held()
return_freed_memory()
print(before - freed, freed - held())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library decides by itself")
def test_memory_between_what_is_kept_is_returned() -> None:
    """40 MB are read, and of every fifty pieces one is kept: freeing the others alone returns next to nothing."""
    words = [sys.executable, "-c", _HOLES]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    by_itself, returned = map(int, ran.stdout.split())
    assert by_itself < 4_000
    assert returned > 30_000
