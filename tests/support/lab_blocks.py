"""Loopback addresses for the labs of this process alone, whatever other processes of the same test run do.

A lab that was ended keeps its addresses for when it goes on, and nobody listens there meanwhile: what keeps the labs of
two processes apart is that they never choose from the same blocks.
"""

import os
from collections.abc import Iterator

import pytest

from kubevouch_lab.cluster.site import BLOCKS, BLOCKS_VARIABLE


def share(worker: int, workers: int) -> str:
    """The worker's part of all blocks, as the setting names it."""
    each = len(BLOCKS) // workers
    own = BLOCKS[worker * each : (worker + 1) * each]
    return f"{own[0]}-{own[-1]}"


@pytest.fixture(scope="session", autouse=True)
def blocks_of_this_process() -> Iterator[None]:
    """Without pytest-xdist all of them."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    with pytest.MonkeyPatch.context() as environment:
        if worker and BLOCKS_VARIABLE not in os.environ:
            environment.setenv(BLOCKS_VARIABLE, share(int(worker), workers))
        yield
