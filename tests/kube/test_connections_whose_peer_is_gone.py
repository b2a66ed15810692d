"""A connection on which nothing comes looks alive: the kernel has to ask."""

import shutil
import subprocess
import sys

import pytest

_NETWORK = ("unshare", "--user", "--map-root-user", "--net")


def _may_have_a_network() -> bool:
    """Whether this system lets us make one of our own, and has the programs."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run([*_NETWORK, "true"], check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(not _may_have_a_network(), reason="no network of our own on this machine")
def test_a_watch_goes_on_soon_after_a_server_that_was_cut_off_answers_again() -> None:
    argv = [*_NETWORK, sys.executable, "-m", "tests.kube.cut_off"]
    ran = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert float(ran.stdout) < 10, ran.stdout
