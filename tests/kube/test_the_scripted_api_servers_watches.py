"""Watches of the wire's API server, judged by the official Python client."""

import asyncio
import threading
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from tests.support.apiservers import TOKEN, api_server
from tests.support.authority import Authority
from tests.support.official_client import client, watch
from tests.support.scripted import kinds
from tests.support.scripted.apiserver import ScriptedApiServer
from tests.support.unhurried import GENEROUS

NODE = kinds.KINDS["", "v1", "nodes"]


def _official(server: ScriptedApiServer, ca: Path) -> Any:
    configuration = client.Configuration(host=server.url)
    configuration.ssl_ca_cert = str(ca)
    configuration.api_key = {"authorization": f"Bearer {TOKEN}"}
    configuration.retries = False
    return client.CoreV1Api(client.ApiClient(configuration))


def _with(change: dict[str, Any], thing: dict[str, Any]) -> dict[str, Any]:
    return {**thing, **change}


def _told(api: Any, version: str, told: "Queue[tuple[str, str] | int]") -> None:
    """What the client makes of one watch: types and names, or the status that it ended with."""
    watching = watch.Watch()
    try:
        for event in watching.stream(
            api.list_node, resource_version=version, timeout_seconds=20, label_selector="x!=no"
        ):
            told.put((event["type"], event["object"].metadata.name))
            if event["type"] == "DELETED" and event["object"].metadata.name == "last":
                return
    except client.ApiException as error:
        told.put(error.status)


@pytest.fixture
def ca(tmp_path: Path) -> tuple[Authority, Path]:
    authority = Authority()
    file = tmp_path / "ca.pem"
    file.write_bytes(authority.pem)
    return authority, file


async def test_changes_come_in_order_from_a_version_on(ca: tuple[Authority, Path]) -> None:
    async with api_server(ca[0]) as server:
        server.store.create(NODE, {"metadata": {"name": "before"}})
        version = str(server.store.version)
        told: Queue[tuple[str, str] | int] = Queue()
        thread = threading.Thread(target=_told, args=(_official(server, ca[1]), version, told))
        thread.start()
        server.store.create(NODE, {"metadata": {"name": "a"}})
        async with asyncio.timeout(GENEROUS):
            while not server.watches.open:
                await asyncio.sleep(0.01)
        server.store.create(NODE, {"metadata": {"name": "b", "labels": {"x": "no"}}})
        label = {"metadata": {"labels": {"x": "no"}}}
        for name, change in (
            ("a", {"spec": {"unschedulable": True}}),
            ("a", label),
            ("b", {"metadata": {}}),
        ):
            server.store.change(NODE, ("", name), partial(_with, change))
        server.store.create(NODE, {"metadata": {"name": "last"}})
        server.store.delete(NODE, "last")
        await asyncio.to_thread(thread.join, 30)
        assert not thread.is_alive()
    assert list(told.queue) == [
        ("ADDED", "a"),
        ("MODIFIED", "a"),
        ("DELETED", "a"),
        ("ADDED", "b"),
        ("ADDED", "last"),
        ("DELETED", "last"),
    ]


@pytest.mark.parametrize("as_event", [False, True])
async def test_a_forgotten_version_is_410(ca: tuple[Authority, Path], *, as_event: bool) -> None:
    async with api_server(ca[0]) as server:
        server.watches.gone_as_event = as_event
        server.store.create(NODE, {"metadata": {"name": "a"}})
        version = str(server.store.version)
        server.store.compact()
        told: Queue[tuple[str, str] | int] = Queue()
        await asyncio.to_thread(_told, _official(server, ca[1]), version, told)
        assert list(told.queue) == [410]
