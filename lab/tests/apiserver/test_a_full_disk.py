"""Nothing can be written any more: it is said in a Status, and all else goes on."""

import sqlite3
from pathlib import Path

import pytest

from kubevouch_lab.apiserver.journal import StoreJournal
from kubevouch_lab.apiserver.store import Store
from lab.tests.apiserver.bench import bench
from tests.support.authority import Authority

MAPS = "/api/v1/namespaces/default/configmaps"


def _full(journal: StoreJournal) -> sqlite3.Connection:
    """SQLite's own limit of a file: the error is the one of a full disk."""
    database = journal._database
    database.execute("PRAGMA max_page_count = 1")
    return database


async def test_a_write_that_finds_no_room_is_a_500_and_leaves_nothing(
    tmp_path: Path, authority: Authority
) -> None:
    journal = StoreJournal(tmp_path / "store.sqlite")
    async with bench(tmp_path, authority, journal=journal) as lab:
        database = _full(journal)
        large = {"metadata": {"name": "large"}, "data": {"a": "x" * 500_000}}
        code, told = await lab.ask("POST", MAPS, large)
        assert (code, told["kind"], told["reason"]) == (500, "Status", "InternalError")
        assert told["message"].endswith("store.sqlite: database or disk is full")
        ran = await lab.kubectl("create", "configmap", "other", f"--from-literal=a={'x' * 90_000}")
        assert (ran.code, "database or disk is full" in ran.err) == (1, True)
        assert (await lab.ask("GET", f"{MAPS}/large"))[0] == 404
        database.execute("PRAGMA max_page_count = 4294967294")
        assert (await lab.ask("POST", MAPS, large))[0] == 201
    again = Store(StoreJournal(tmp_path / "store.sqlite"))
    assert again.revision >= lab.store.revision
    again.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux' device that is always full")
async def test_an_audit_log_that_finds_no_room_keeps_no_answer_back(
    tmp_path: Path, authority: Authority
) -> None:
    (tmp_path / "audit.log").symlink_to("/dev/full")
    async with bench(tmp_path, authority) as lab:
        assert "default" in await lab.does("get", "namespaces", "-o", "name")
        await lab.does("create", "namespace", "more")
