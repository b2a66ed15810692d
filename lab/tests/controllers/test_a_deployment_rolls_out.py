"""Deployments, ReplicaSets, the scheduler and endpoints at work: real kubectl looks on and waits."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from kubevouch_lab.apiserver.kinds import (
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICES,
)
from kubevouch_lab.controllers.loop import reconcile
from kubevouch_lab.controllers.run_all import controllers
from kubevouch_lab.objects import condition
from lab.tests.bodies import deployment
from lab.tests.plane import Plane, until

READY = {"type": "Ready", "status": "True"}


def web(replicas: int = 3) -> dict[str, Any]:
    ports = [{"name": "http", "containerPort": 8080}]
    return deployment(replicas=replicas, container={"ports": ports})


def make_ready(running: Plane, pod: dict[str, Any], value: str = "True") -> None:
    """What its kubelet would write."""
    address = f"10.244.0.{int(pod['metadata']['uid'][:2], 16) or 1}"
    old = pod.get("status") or {}
    others = [each for each in old.get("conditions") or [] if each["type"] != "Ready"]
    ready = {"type": "Ready", "status": value, "lastTransitionTime": stamp(running)}
    status = {
        **old,
        "phase": "Running",
        "podIP": old.get("podIP") or address,
        "conditions": [*others, ready],
    }
    running.admin.update(PODS, {**pod, "status": status}, "status")


def stamp(running: Plane) -> str:
    return f"{running.clock.now():%Y-%m-%dT%H:%M:%SZ}"


@contextlib.asynccontextmanager
async def moving(running: Plane, *, ready: bool = True) -> AsyncIterator[None]:
    """All controllers, three ready nodes and, if wished, a kubelet on paper."""
    for name in ("n1", "n2", "n3"):
        running.admin.create(NODES, {"metadata": {"name": name}})
        running.admin.patch(NODES, name, {"status": {"conditions": [READY]}}, subresource="status")
    parts = controllers(
        running.store,
        running.admin,
        running.clock,
        aggregation=running.aggregation,
        ca=running.authority.pem,
    )

    def kubelet() -> None:
        for pod in running.store.list(PODS):
            if pod["spec"].get("nodeName") and pod["status"]["phase"] == "Pending":
                make_ready(running, pod)

    tasks = [asyncio.create_task(run()) for run in parts.values()]
    if ready:
        on_paper = reconcile(running.store, (PODS,), kubelet, clock=running.clock)
        tasks.append(asyncio.create_task(on_paper))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def pods(running: Plane) -> list[dict[str, Any]]:
    return running.store.list(PODS, "default")


def refused(pod: dict[str, Any]) -> bool:
    return (condition(pod, "PodScheduled") or {}).get("status") == "False"


async def test_it_comes_up_and_kubectl_says_so(running: Plane) -> None:
    async with moving(running):
        await running.does("apply", "-f", "-", stdin=web())
        said = await running.does("rollout", "status", "deploy/web", "--timeout=30s")
        assert said.endswith('deployment "web" successfully rolled out\n')
        listed = await running.does("get", "deploy", "web", "--no-headers")
        assert listed.split()[:4] == ["web", "3/3", "3", "3"]
        assert {pod["spec"]["nodeName"] for pod in pods(running)} == {"n1", "n2", "n3"}
        (replica_set,) = running.store.list(REPLICA_SETS, "default")
        for pod in pods(running):
            assert pod["metadata"]["name"].startswith(f"{replica_set['metadata']['name']}-")
        described = await running.does("describe", "deploy", "web")
        assert "Available      True    MinimumReplicasAvailable" in described
        assert "Progressing    True    NewReplicaSetAvailable" in described


async def test_pods_that_wait_go_to_a_node_as_soon_as_it_takes_them(running: Plane) -> None:
    """No time passes here. kube-scheduler looks again when a node has changed (pkg/scheduler/eventhandlers.go)."""
    async with moving(running):
        for name in ("n1", "n2", "n3"):
            running.admin.patch(NODES, name, {"spec": {"unschedulable": True}})
        running.admin.create(DEPLOYMENTS, web())
        await until(lambda: [refused(pod) for pod in pods(running)] == [True] * 3)
        running.admin.patch(NODES, "n2", {"spec": {"unschedulable": None}})
        await until(lambda: {pod["spec"].get("nodeName") for pod in pods(running)} == {"n2"})


async def test_not_ready_is_told_as_a_real_cluster_tells_it(running: Plane) -> None:
    async with moving(running, ready=False):
        running.admin.create(DEPLOYMENTS, web())
        await until(lambda: len(pods(running)) == 3)
        await until(
            lambda: (
                running.store.get(DEPLOYMENTS, "web", "default")["status"].get(
                    "unavailableReplicas"
                )
                == 3
            )
        )
        status = running.store.get(DEPLOYMENTS, "web", "default")["status"]
        # deploy-metrics-server.json of a real cluster (1.36) at 0/3.
        assert [
            (each["type"], each["status"], each["reason"]) for each in status["conditions"]
        ] == [
            ("Available", "False", "MinimumReplicasUnavailable"),
            ("Progressing", "True", "ReplicaSetUpdated"),
        ]
        numbers = {key: value for key, value in status.items() if key != "conditions"}
        assert numbers == {
            "observedGeneration": 1,
            "replicas": 3,
            "terminatingReplicas": 0,
            "unavailableReplicas": 3,
            "updatedReplicas": 3,
        }


async def test_a_new_template_replaces_pods(running: Plane) -> None:
    fewest = 3

    def watch() -> None:
        nonlocal fewest
        ready = [pod for pod in pods(running) if pod["status"]["phase"] == "Running"]
        fewest = min(fewest, len(ready))

    async with moving(running):
        running.admin.create(DEPLOYMENTS, web())
        await running.does("rollout", "status", "deploy/web", "--timeout=30s")
        first = {pod["metadata"]["name"] for pod in pods(running)}
        watching = asyncio.create_task(
            reconcile(running.store, (PODS,), watch, clock=running.clock)
        )
        await running.does("set", "image", "deploy/web", "web=example.com/web:2")
        await running.does("rollout", "status", "deploy/web", "--timeout=30s")
        await until(lambda: len(pods(running)) == 3)
        assert not first & {pod["metadata"]["name"] for pod in pods(running)}
        watching.cancel()
        assert fewest >= 3, "25 % of three may be missing: none"


async def test_scaling_and_deleting(running: Plane) -> None:
    async with moving(running):
        running.admin.create(DEPLOYMENTS, web())
        await running.does("rollout", "status", "deploy/web", "--timeout=30s")
        await running.does("scale", "deploy/web", "--replicas=5")
        await until(lambda: len(pods(running)) == 5)
        victim = pods(running)[0]["metadata"]["name"]
        await running.does("delete", "pod", victim)
        await until(lambda: len(pods(running)) == 5)
        assert victim not in {pod["metadata"]["name"] for pod in pods(running)}
        await running.does("scale", "deploy/web", "--replicas=1")
        await until(lambda: len(pods(running)) == 1)
        await running.does("rollout", "restart", "deploy/web")
        await running.does("rollout", "status", "deploy/web", "--timeout=30s")
        await running.does("delete", "deploy", "web")
        await until(lambda: not pods(running))
        assert not running.store.list(REPLICA_SETS, "default"), "what it owned goes with it"


async def test_endpoints_follow_readiness(running: Plane) -> None:
    service = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "selector": {"app": "web"},
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    }
    async with moving(running):
        running.admin.create(SERVICES, service)
        running.admin.create(DEPLOYMENTS, web(2))
        await running.does("rollout", "status", "deploy/web", "--timeout=30s")

        def ready() -> list[bool]:
            return [
                each["conditions"]["ready"]
                for found in running.store.list(ENDPOINT_SLICES, "default")
                for each in found["endpoints"]
            ]

        await until(lambda: ready() == [True, True])
        (found,) = running.store.list(ENDPOINT_SLICES, "default")
        assert found["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
        assert found["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
        make_ready(
            running,
            running.admin.get(PODS, pods(running)[0]["metadata"]["name"], "default"),
            "False",
        )
        await until(lambda: sorted(ready()) == [False, True])
        running.admin.delete(SERVICES, "web", "default")
        await until(lambda: not running.store.list(ENDPOINT_SLICES, "default"))


async def test_what_fits_nowhere_says_why(running: Plane) -> None:
    async with moving(running):
        taint = {"key": "a", "value": "b", "effect": "NoSchedule"}
        running.admin.patch(NODES, "n1", {"spec": {"taints": [taint]}})
        running.admin.patch(NODES, "n2", {"spec": {"unschedulable": True}})
        body = web(2)
        body["spec"]["template"]["spec"]["affinity"] = {
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "labelSelector": {"matchLabels": {"app": "web"}},
                        "topologyKey": "kubernetes.io/hostname",
                    }
                ]
            }
        }
        running.admin.create(DEPLOYMENTS, body)

        def waiting() -> str:
            for pod in pods(running):
                for each in pod["status"].get("conditions") or []:
                    if each.get("reason") == "Unschedulable":
                        return str(each["message"])
            return ""

        assert await until(waiting) == (
            "0/3 nodes are available: 1 node(s) didn't match pod anti-affinity rules, "
            "1 node(s) had untolerated taint(s) {a: b}, 1 node(s) were unschedulable."
        )
        running.admin.patch(NODES, "n2", {"spec": {"unschedulable": None}})
        await running.clock.wind(timedelta(seconds=6))
        await running.does("rollout", "status", "deploy/web", "--timeout=30s")
        assert {pod["spec"]["nodeName"] for pod in pods(running)} == {"n2", "n3"}


async def test_a_broken_object_stops_nobody(running: Plane) -> None:
    async with moving(running):
        broken = web()
        broken["metadata"]["name"] = "broken"
        broken["metadata"]["uid"] = "1"
        broken["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": "much"}}
        running.store.create(DEPLOYMENTS, broken)
        running.admin.create(DEPLOYMENTS, web(1))
        await running.does("rollout", "status", "deploy/web", "--timeout=30s")


@pytest.mark.parametrize(
    ("wanted", "surge", "unavailable"), [(3, 1, 0), (4, 1, 1), (10, 3, 2), (1, 1, 0)]
)
def test_a_quarter_is_rounded_as_kubernetes_rounds(
    wanted: int, surge: int, unavailable: int
) -> None:
    from kubevouch_lab.controllers.deployments import bounds

    assert bounds(web(wanted)) == (surge, unavailable)
