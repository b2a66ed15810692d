"""The control plane and the node of the kubelets' tests, on a clock that is wound; and keys that are there already."""

import pytest

from kubevouch_lab import pki
from kubevouch_lab.cluster import authorities, make_folder
from lab.tests.cluster.rsa_keys import keys_of_a_test
from lab.tests.kubelets.conftest import cluster, node

__all__ = ["cluster", "node"]


@pytest.fixture(autouse=True)
def keys_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labs in this process make no RSA keys; those in a process of their own do."""
    key = keys_of_a_test()
    for each in (pki, authorities, make_folder):
        monkeypatch.setattr(each, "rsa_key", key)
