"""etcd is restored from a backup while the approver runs: it needs no restart."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.e2e.told import eventually
from tests.support.api_connection import ApiConnection, path_of

from .conftest import address
from .cuts import back_up_etcd, restore_etcd
from .installed import InstalledApprover
from .simulated import CSRS, Joining

pytestmark = pytest.mark.long

_MAPS = "/api/v1/namespaces/default/configmaps"
_MANY = 1000
"""Versions: more than a small cluster goes through in the minutes of this test."""


class Versions:
    """The cluster's versions, as an object shows them that is written again and again."""

    def __init__(self, admin: ApiConnection) -> None:
        self._admin = admin
        self._path = path_of(_MAPS, "versions")
        self._written = 0

    def now(self) -> int:
        """The latest, by a write."""
        self._written += 1
        written = {"metadata": {"annotations": {"written": str(self._written)}}}
        return int(self._admin.patch(self._path, written)["metadata"]["resourceVersion"])

    def go_through(self, many: int) -> int:
        """Writes until there are so many more. The latest."""
        end = self.now() + many
        while (now := self.now()) < end:
            pass
        return now


@pytest.fixture
def versions(site: Joining) -> Iterator[Versions]:
    site.admin.post(_MAPS, {"metadata": {"name": "versions"}})
    yield Versions(site.admin)
    site.admin.delete(path_of(_MAPS, "versions"))


def _conditions(site: Joining, csr: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = site.admin.get(path_of(CSRS, csr))["status"].get("conditions", [])
    return found


@pytest.mark.usefixtures("bed")
def test_after_a_restore_of_etcd_the_approver_goes_by_what_there_is_then(
    approver: InstalledApprover, site: Joining, versions: Versions
) -> None:
    """An API server says nothing to whoever watches from a version that is yet to come, and never what is different."""
    nodes = site.join_all({f"sim-restored-{each}.example.com": address() for each in range(3)})
    for node in nodes:
        site.approved(node.ask())
    pod = approver.leader()
    back_up_etcd(approver.cluster)
    latest = versions.go_through(_MANY)
    # Every watch sees something of this: the Node, its CSR, and that the rule has admitted it.
    later = site.join("sim-after-the-backup.example.com", address())
    site.approved(later.ask())
    restore_etcd(approver.cluster)
    try:
        asked = [node.ask() for node in nodes]
        for name in asked:
            eventually(partial(_conditions, site, name), f"a decision about {name}", 90)
        assert versions.now() < latest
        assert [_conditions(site, name)[0]["type"] for name in asked] == ["Approved"] * len(asked)
        told = [line for line in pod.log() if "etcd was restored from a backup" in str(line)]
        assert {line["what"] for line in told} == {"nodes", "CSRs", "ConfigMaps"}
    finally:
        # Whoever else watches is told again what happens.
        versions.go_through(latest - versions.now())
