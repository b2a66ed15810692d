"""A server that is killed in the middle of its work goes on where it was."""

import asyncio
import contextlib
import itertools
import json
import signal
import sqlite3
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kubevouch_lab.apiserver.journal import CannotKeep, StoreJournal
from kubevouch_lab.apiserver.kinds import CONFIG_MAPS
from kubevouch_lab.apiserver.store import Store
from lab.tests.kubectl import PATIENT

MAPS = "/api/v1/namespaces/default/configmaps"


class Process:
    """The server's process and a way to ask it."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, session: Any) -> None:
        self.process = process
        self._url = url
        self._session: aiohttp.ClientSession = session

    async def ask(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        async with self._session.request(
            method, self._url + path, json=body, params=query
        ) as answer:
            assert answer.status < 300, await answer.text()
            return json.loads(await answer.read())

    async def first_event(self, path: str, **query: str) -> Any:
        params = {"watch": "1", **query}
        async with self._session.get(self._url + path, params=params) as answer:
            return json.loads(await answer.content.readline())

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


@contextlib.asynccontextmanager
async def _running(folder: Path) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lab.tests.apiserver.killable", str(folder), stdout=-1
    )
    try:
        assert process.stdout
        async with asyncio.timeout(PATIENT):
            url = (await process.stdout.readline()).decode().strip()
        context = ssl.create_default_context(cafile=folder / "ca.pem")
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Process(process, url, session)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_every_write_that_was_answered_is_there_and_versions_go_on(tmp_path: Path) -> None:
    answered: dict[str, Any] = {}
    async with _running(tmp_path) as server:

        async def write(start: int) -> None:
            for number in itertools.count(start, 4):
                name = f"c{number:05}"
                with contextlib.suppress(aiohttp.ClientError):
                    answered[name] = await server.ask("POST", MAPS, {"metadata": {"name": name}})
                if server.process.returncode is not None:
                    return

        writing = [asyncio.create_task(write(start)) for start in range(4)]
        async with asyncio.timeout(PATIENT):
            while len(answered) < 50:
                await asyncio.sleep(0.01)
        await server.kill()
        await asyncio.gather(*writing)
    latest = max(int(each["metadata"]["resourceVersion"]) for each in answered.values())
    async with _running(tmp_path) as again:
        listed = await again.ask("GET", MAPS)
        found = {item["metadata"]["name"]: item for item in listed["items"]}
        for name, thing in answered.items():
            assert found[name]["metadata"] == thing["metadata"]
        assert int(listed["metadata"]["resourceVersion"]) >= latest
        made = await again.ask("POST", MAPS, {"metadata": {"name": "after"}})
        assert int(made["metadata"]["resourceVersion"]) > latest
        old = str(latest - 10)
        event = await again.first_event(MAPS, resourceVersion=old)
        assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
        since = listed["metadata"]["resourceVersion"]
        event = await again.first_event(MAPS, resourceVersion=since)
        assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "after")


def test_what_was_deleted_stays_deleted_and_its_version_is_not_given_again(tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite"
    store = Store(StoreJournal(file))
    store.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}})
    store.create(CONFIG_MAPS, {"metadata": {"name": "b", "namespace": "default"}})
    store.delete(CONFIG_MAPS, "a", "default")
    revision = store.revision
    store.close()
    again = Store(StoreJournal(file))
    assert [each["metadata"]["name"] for each in again.list(CONFIG_MAPS)] == ["b"]
    assert (again.revision, again.compacted) == (revision, revision)
    again.close()


@pytest.mark.parametrize("damage", ["something else", "another form"])
def test_a_file_that_is_no_store_is_not_taken_for_one(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "store.sqlite"
    if damage == "something else":
        file.write_bytes(b"something else entirely" * 100)
    else:
        database = sqlite3.connect(file)
        database.execute("PRAGMA user_version = 99")
        database.close()
    with pytest.raises(CannotKeep, match="remove it to begin with an empty store") as caught:
        StoreJournal(file)
    assert str(file) in str(caught.value)
