"""Real kubectl is the judge: what it is asked for, it does, and says so."""

import asyncio
import json

from kubevouch.lab.apiserver.kinds import NODES
from tests.lab.apiserver.bench import PATIENT, Bench


async def test_nodes_are_read(lab: Bench) -> None:
    lab.local.create(NODES, {"metadata": {"name": "n1"}, "status": {"capacity": {"cpu": "2"}}})
    listed = json.loads(await lab.does("get", "nodes", "-o", "json"))
    assert [item["metadata"]["name"] for item in listed["items"]] == ["n1"]
    assert listed["items"][0]["status"]["capacity"]["cpu"] == "2"


async def test_a_namespace_is_made_once(lab: Bench) -> None:
    assert await lab.does("create", "namespace", "space") == "namespace/space created\n"
    ran = await lab.kubectl("create", "namespace", "space")
    assert ran.code == 1
    assert 'Error from server (AlreadyExists): namespaces "space" already exists' in ran.err


async def test_a_watch_prints_what_happens(lab: Bench) -> None:
    lab.local.create(NODES, {"metadata": {"name": "n1"}})
    process = await lab.start("get", "nodes", "--watch", "-o", "name")
    assert process.stdout
    async with asyncio.timeout(PATIENT):
        assert await process.stdout.readline() == b"node/n1\n"
        lab.local.create(NODES, {"metadata": {"name": "n2"}})
        assert await process.stdout.readline() == b"node/n2\n"
        process.kill()
        await process.wait()
