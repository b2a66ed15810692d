"""Tests in several processes (pytest-xdist): each has addresses of its own, and the environment of a single one.

A lab that was ended keeps its addresses for when it goes on, and nobody listens there meanwhile: what keeps the labs of
two processes apart is that they never choose from the same blocks.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubevouch_lab.cluster.site import BLOCKS, BLOCKS_VARIABLE, blocks_of

_OF_NO_TERMINAL = ("COLUMNS", "LINES")
"""GNU readline sets them in a worker. There is no terminal, and nobody has said how wide the output is to be."""


_shared: list[Path] = []


def shared_folder() -> Path | None:
    """One that all processes of this test run have; None where it has but one."""
    return _shared[0] if _shared else None


def share(worker: int, workers: int, blocks: range = BLOCKS) -> str:
    """The worker's part of these blocks, as the setting names it."""
    each = len(blocks) // workers
    own = blocks[worker * each : (worker + 1) * each]
    return f"{own[0]}-{own[-1]}"


@pytest.fixture(scope="session", autouse=True)
def surroundings_of_a_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Without pytest-xdist nothing is changed but how SIGINT is handled, if a shell runs the tests in the background and ignores it for them."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    with pytest.MonkeyPatch.context() as environment:
        if worker:
            for name in _OF_NO_TERMINAL:
                environment.delenv(name, raising=False)
            _shared[:] = [tmp_path_factory.getbasetemp().parent / "shared"]
            _shared[0].mkdir(exist_ok=True)
            workers = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
            blocks = blocks_of(os.environ.get(BLOCKS_VARIABLE, ""))
            # One that takes the place of a worker that crashed has a number of its own.
            environment.setenv(BLOCKS_VARIABLE, share(int(worker) % workers, workers, blocks))
        yield
