"""Nodes that are lost and found; what every namespace gets."""

import asyncio
from datetime import timedelta

from kubevouch_lab.apiserver.kinds import (
    CONFIG_MAPS,
    LEASES,
    NAMESPACES,
    NODES,
    PODS,
    SERVICE_ACCOUNTS,
)
from kubevouch_lab.controllers.namespaces import NamespaceController
from kubevouch_lab.controllers.node_lifecycle import NodeLifecycle
from kubevouch_lab.objects import condition
from lab.tests.bodies import pod
from lab.tests.plane import Plane, until


def with_node(running: Plane) -> None:
    running.admin.create(NODES, {"metadata": {"name": "n1"}})
    heard = "2020-01-01T00:00:00Z"  # a node whose clock is wrong
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "lastHeartbeatTime": heard,
    }
    running.admin.patch(NODES, "n1", {"status": {"conditions": [ready]}}, subresource="status")
    spec = {
        "holderIdentity": "n1",
        "leaseDurationSeconds": 40,
        "renewTime": "2020-01-01T00:00:00.000000Z",
    }
    metadata = {"name": "n1", "namespace": "kube-node-lease"}
    running.admin.create(LEASES, {"metadata": metadata, "spec": spec})


def ready(running: Plane) -> tuple[str, str]:
    found = condition(running.store.get(NODES, "n1"), "Ready")
    assert found
    return found["status"], found["reason"]


def taints(running: Plane) -> list[tuple[str, str]]:
    found = running.store.get(NODES, "n1")["spec"].get("taints") or []
    return [(each["key"], each["effect"]) for each in found]


async def test_a_silent_node_becomes_unknown_and_comes_back(running: Plane) -> None:
    with_node(running)
    running.admin.create(PODS, pod(nodeName="n1"))
    well = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"}
    running.admin.patch(PODS, "p", {"status": well}, "default", subresource="status")
    task = asyncio.create_task(NodeLifecycle(running.store, running.admin, running.clock).run())
    await running.clock.wind(timedelta(seconds=39))
    assert ready(running) == ("True", "KubeletReady")
    running.admin.patch(
        LEASES, "n1", {"spec": {"renewTime": "2020-01-01T00:00:10.000000Z"}}, "kube-node-lease"
    )
    await running.clock.wind(timedelta(seconds=39))
    assert ready(running) == ("True", "KubeletReady"), (
        "its lease was renewed, whatever its clock says"
    )
    await running.clock.wind(timedelta(seconds=10))
    assert ready(running) == ("Unknown", "NodeStatusUnknown")
    found = condition(running.store.get(NODES, "n1"), "Ready")
    assert found and found["message"] == "Kubelet stopped posting node status."
    await running.clock.wind(timedelta(seconds=5))
    unreachable = "node.kubernetes.io/unreachable"
    assert taints(running) == [(unreachable, "NoSchedule"), (unreachable, "NoExecute")]
    lost = condition(running.store.get(PODS, "p", "default"), "Ready")
    assert lost and lost["status"] == "False"
    listed = await running.does("get", "node", "n1", "--no-headers")
    assert listed.split()[:2] == ["n1", "NotReady"]
    back = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "lastHeartbeatTime": "2020-01-01T00:02:00Z",
    }
    running.admin.patch(NODES, "n1", {"status": {"conditions": [back]}}, subresource="status")
    await running.clock.wind(timedelta(seconds=6))
    assert ready(running) == ("True", "KubeletReady")
    assert taints(running) == []
    task.cancel()


async def test_every_namespace_gets_an_account_and_the_ca(running: Plane) -> None:
    parts = NamespaceController(running.store, running.admin, running.clock, running.authority.pem)
    task = asyncio.create_task(parts.run())
    running.admin.create(NAMESPACES, {"metadata": {"name": "shop"}})
    await until(lambda: running.store.find(SERVICE_ACCOUNTS, "default", "shop"))
    found = await until(lambda: running.store.find(CONFIG_MAPS, "kube-root-ca.crt", "shop"))
    assert found["data"] == {"ca.crt": running.authority.pem.decode()}
    running.admin.delete(CONFIG_MAPS, "kube-root-ca.crt", "shop")
    await until(lambda: running.store.find(CONFIG_MAPS, "kube-root-ca.crt", "shop"))
    await running.does("delete", "namespace", "shop", "--timeout=30s")
    assert running.store.find(NAMESPACES, "shop") is None
    task.cancel()
