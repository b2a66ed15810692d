"""The control plane and the node of the kubelets' tests, on a clock that is wound; and keys that are there already."""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kubevouch.system_clock import SystemClock
from kubevouch_lab import pki
from kubevouch_lab.cluster import authorities, make_folder
from kubevouch_lab.cluster.folder import Folder
from kubevouch_lab.cluster.lab import Lab, LabOptions
from kubevouch_lab.cluster.site import BLOCKS_VARIABLE, blocks_of
from kubevouch_lab.scenarios.catalogue import scenario_of
from lab.tests.cluster.rsa_keys import keys_of_a_test
from lab.tests.kubelets.conftest import cluster, node

__all__ = ["cluster", "node"]


@pytest.fixture(autouse=True)
def keys_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labs in this process make no RSA keys; those in a process of their own do."""
    key = keys_of_a_test()
    for each in (pki, authorities, make_folder):
        monkeypatch.setattr(each, "rsa_key", key)


@contextlib.asynccontextmanager
async def lab_in(root: Path, scenario: str, nodes: int = 0) -> AsyncIterator[Lab]:
    """A whole lab in this process."""
    folder = Folder(root)
    running = Lab(
        folder,
        scenario_of=scenario_of,
        clock=SystemClock(),
        entropy=os.urandom,
        notify=lambda _: None,
    )
    blocks = blocks_of(os.environ.get(BLOCKS_VARIABLE, ""))
    with folder.locked():
        await running.start(LabOptions(scenario, nodes=nodes, blocks=blocks))
        try:
            yield running
        finally:
            await running.stop()
